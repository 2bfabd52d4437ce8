//! Character sets as tables that `reference/charsets.py` fills, so that both implementations know the same codes.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::fault::{Malformed, Res};
use crate::json_text;

const UNDEFINED: Malformed = Malformed("UnicodeDecodeError");

/// How a column's bytes become text.
pub enum Charset {
    Utf8,
    Ucs2,
    Utf16 { little: bool },
    Utf32,
    /// Codes of one to four bytes, none of which begins another.
    Table(Box<Table>),
}

#[derive(Default)]
pub struct Table {
    singles: Vec<Option<Box<str>>>,
    longer: HashMap<(u8, u32), Box<str>>,
    longest: usize,
    /// GB18030: codes from 0x90308130 on count up from U+10000.
    linear: bool,
}

impl Table {
    pub fn new(codes: Vec<(Vec<u8>, String)>, linear: bool) -> Table {
        let mut table = Table { singles: vec![None; 256], linear, longest: 1, ..Table::default() };
        for (code, text) in codes {
            table.longest = table.longest.max(code.len());
            match code[..] {
                [] => {}
                [byte] => table.singles[usize::from(byte)] = Some(text.into()),
                _ => {
                    table.longer.insert((code.len() as u8, packed(&code)), text.into());
                }
            }
        }
        if linear {
            table.longest = 4;
        }
        table
    }

    fn decode(&self, raw: &[u8]) -> Res<String> {
        let mut text = String::with_capacity(raw.len() + raw.len() / 2);
        let mut place = 0;
        while place < raw.len() {
            if let Some(one) = &self.singles[usize::from(raw[place])] {
                text.push_str(one);
                place += 1;
                continue;
            }
            place += self.longer(&raw[place..], &mut text)?;
        }
        Ok(text)
    }

    fn longer(&self, raw: &[u8], text: &mut String) -> Res<usize> {
        for size in 2..=self.longest {
            let code = raw.get(..size).ok_or(UNDEFINED)?;
            if let Some(found) = self.longer.get(&(size as u8, packed(code))) {
                text.push_str(found);
                return Ok(size);
            }
            if size == 4 && self.linear {
                text.push(gb18030_linear(code).ok_or(UNDEFINED)?);
                return Ok(4);
            }
        }
        Err(UNDEFINED)
    }
}

fn packed(code: &[u8]) -> u32 {
    code.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn gb18030_linear(code: &[u8]) -> Option<char> {
    let digit = |byte: u8, low: u8, high: u8| (low..=high).contains(&byte).then(|| u32::from(byte - low));
    let first = digit(code[0], 0x90, 0xFE)?;
    let number = ((first * 10 + digit(code[1], 0x30, 0x39)?) * 126 + digit(code[2], 0x81, 0xFE)?) * 10
        + digit(code[3], 0x30, 0x39)?;
    char::from_u32(0x1_0000 + number)
}

impl Charset {
    pub fn decode<'a>(&self, raw: &'a [u8]) -> Res<Cow<'a, str>> {
        match self {
            Charset::Utf8 => Ok(Cow::Borrowed(json_text::utf8(raw)?)),
            Charset::Ucs2 => utf16(raw, false, false).map(Cow::Owned),
            Charset::Utf16 { little } => utf16(raw, *little, true).map(Cow::Owned),
            Charset::Utf32 => utf32(raw).map(Cow::Owned),
            Charset::Table(table) => table.decode(raw).map(Cow::Owned),
        }
    }
}

fn utf16(raw: &[u8], little: bool, surrogates: bool) -> Res<String> {
    if raw.len() % 2 != 0 {
        return Err(UNDEFINED);
    }
    let units = raw.chunks_exact(2).map(|pair| {
        let pair = [pair[0], pair[1]];
        if little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) }
    });
    let text: String = char::decode_utf16(units).collect::<Result<_, _>>().map_err(|_| UNDEFINED)?;
    if !surrogates && text.chars().any(|letter| letter as u32 > 0xFFFF) {
        return Err(Malformed("ValueError"));
    }
    Ok(text)
}

fn utf32(raw: &[u8]) -> Res<String> {
    if raw.len() % 4 != 0 {
        return Err(UNDEFINED);
    }
    raw.chunks_exact(4).map(|code| char::from_u32(packed(code)).ok_or(UNDEFINED)).collect()
}
