//! MySQL's binary JSON becomes exactly the text that MySQL prints; `reference/jsonb.py` tells the layout.

use crate::decimal_bytes;
use crate::fault::{little, Malformed, Res};
use crate::json_text::{self, Parts};
use crate::temporal::padded;

const SMALL_OBJECT: u8 = 0;
const LARGE_OBJECT: u8 = 1;
const SMALL_ARRAY: u8 = 2;
const LARGE_ARRAY: u8 = 3;
const LITERAL: u8 = 4;
const DOUBLE: u8 = 0x0B;
const STRING: u8 = 0x0C;
const OPAQUE: u8 = 0x0F;

const DEPTH_MAX: usize = 100;
const PLAIN_PLACES_MAX: i32 = 15;
const BASE64_LINE_BYTES: usize = 57;
const VARIABLE_LENGTH_BYTES_MAX: usize = 5;

const TIMESTAMP: u8 = 7;
const DATE: u8 = 10;
const TIME: u8 = 11;
const DATETIME: u8 = 12;
const NEWDECIMAL: u8 = 246;

const CUT: Malformed = Malformed("ValueError");

/// Appends the text of a stored document; an empty one is null.
pub fn document(out: &mut Vec<u8>, data: &[u8]) -> Res<()> {
    let Some(kind) = data.first() else {
        out.extend_from_slice(b"null");
        return Ok(());
    };
    Document { data, values_left: data.len() }.value(out, *kind, 1, 0)
}

/// A double as MySQL prints it inside JSON: `1.0`, `1e20`, `1.5e-17`.
pub fn double(out: &mut Vec<u8>, value: f64) -> Res<()> {
    if !value.is_finite() {
        return Err(CUT);
    }
    let parts = Parts::of_double(value);
    let digits = parts.digits();
    let point = parts.point;
    if parts.negative {
        out.push(b'-');
    }
    if digits.is_empty() {
        out.extend_from_slice(b"0.0");
    } else if point <= -PLAIN_PLACES_MAX || point > PLAIN_PLACES_MAX.max(digits.len() as i32 - 1) {
        out.push(digits[0]);
        if digits.len() > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.push(b'e');
        json_text::signed(out, i64::from(point - 1));
    } else {
        json_text::plain(out, digits, point);
    }
    Ok(())
}

/// A document. Every value costs bytes: more values than bytes are offsets in circles.
struct Document<'a> {
    data: &'a [u8],
    values_left: usize,
}

impl<'a> Document<'a> {
    fn value(&mut self, out: &mut Vec<u8>, kind: u8, place: usize, depth: usize) -> Res<()> {
        if self.values_left == 0 || depth > DEPTH_MAX {
            return Err(CUT);
        }
        self.values_left -= 1;
        match kind {
            SMALL_OBJECT => self.object(out, place, 2, depth)?,
            LARGE_OBJECT => self.object(out, place, 4, depth)?,
            SMALL_ARRAY => self.array(out, place, 2, depth)?,
            LARGE_ARRAY => self.array(out, place, 4, depth)?,
            STRING => json_text::document_string(out, json_text::utf8(self.counted(place)?)?),
            LITERAL => out.extend_from_slice(match self.byte(place)? {
                0 => b"null",
                1 => b"true",
                2 => b"false",
                _ => return Err(CUT),
            }),
            0x05 => json_text::signed(out, i64::from(self.number(place, 2)? as i16)),
            0x06 => json_text::unsigned(out, self.number(place, 2)?),
            0x07 => json_text::signed(out, i64::from(self.number(place, 4)? as i32)),
            0x08 => json_text::unsigned(out, self.number(place, 4)?),
            0x09 => json_text::signed(out, self.number(place, 8)? as i64),
            0x0A => json_text::unsigned(out, self.number(place, 8)?),
            DOUBLE => double(out, f64::from_bits(self.number(place, 8)?))?,
            OPAQUE => opaque(out, self.byte(place)?, self.counted(place + 1)?)?,
            _ => return Err(CUT),
        }
        Ok(())
    }

    fn object(&mut self, out: &mut Vec<u8>, start: usize, width: usize, depth: usize) -> Res<()> {
        let count = self.count(start, width)?;
        let keys = start + 2 * width;
        let entries = keys + count * (width + 2);
        out.push(b'{');
        for number in 0..count {
            if number > 0 {
                out.extend_from_slice(b", ");
            }
            let entry = keys + number * (width + 2);
            let key = start + self.number(entry, width)? as usize;
            let length = self.number(entry + width, 2)? as usize;
            let name = self.data.get(key..key + length).ok_or(CUT)?;
            json_text::document_string(out, json_text::utf8(name)?);
            out.extend_from_slice(b": ");
            self.entry(out, start, entries + number * (width + 1), width, depth)?;
        }
        out.push(b'}');
        Ok(())
    }

    fn array(&mut self, out: &mut Vec<u8>, start: usize, width: usize, depth: usize) -> Res<()> {
        let count = self.count(start, width)?;
        out.push(b'[');
        for number in 0..count {
            if number > 0 {
                out.extend_from_slice(b", ");
            }
            self.entry(out, start, start + 2 * width + number * (width + 1), width, depth)?;
        }
        out.push(b']');
        Ok(())
    }

    /// The value of an entry: a kind, then the value itself or its offset from the start.
    fn entry(&mut self, out: &mut Vec<u8>, start: usize, entry: usize, width: usize, depth: usize) -> Res<()> {
        let kind = self.byte(entry)?;
        let inlined = matches!(kind, LITERAL | 0x05 | 0x06) || (width == 4 && matches!(kind, 0x07 | 0x08));
        let place = if inlined { entry + 1 } else { start + self.number(entry + 1, width)? as usize };
        self.value(out, kind, place, depth + 1)
    }

    fn count(&self, start: usize, width: usize) -> Res<usize> {
        let count = self.number(start, width)? as usize;
        let size = self.number(start + width, width)? as usize;
        if start + size > self.data.len() {
            return Err(CUT);
        }
        Ok(count)
    }

    fn byte(&self, place: usize) -> Res<u8> {
        self.data.get(place).copied().ok_or(CUT)
    }

    fn number(&self, place: usize, width: usize) -> Res<u64> {
        self.data.get(place..place + width).map(little).ok_or(CUT)
    }

    /// Bytes behind their length: seven bits a byte, lowest first, the top bit for more.
    fn counted(&self, place: usize) -> Res<&'a [u8]> {
        let mut length = 0usize;
        for number in 0..VARIABLE_LENGTH_BYTES_MAX {
            let byte = self.byte(place + number)?;
            length |= usize::from(byte & 0x7F) << (7 * number);
            if byte & 0x80 == 0 {
                let begin = place + number + 1;
                return self.data.get(begin..begin + length).ok_or(CUT);
            }
        }
        Err(CUT)
    }
}

/// Values that only MySQL knows: dates in quotes, decimals bare, all else in base64.
fn opaque(out: &mut Vec<u8>, kind: u8, data: &[u8]) -> Res<()> {
    match kind {
        NEWDECIMAL => {
            let [precision, scale, digits @ ..] = data else { return Err(CUT) };
            decimal_bytes::Shape::new(usize::from(*precision), usize::from(*scale))?.write(out, digits, true)?;
        }
        DATE | DATETIME | TIMESTAMP | TIME => {
            let packed = i64::from_le_bytes(data.try_into().map_err(|_| CUT)?);
            out.push(b'"');
            if kind == TIME { time(out, packed) } else { date(out, packed, kind)? }
            out.push(b'"');
        }
        _ => {
            out.extend_from_slice(b"\"base64:type");
            json_text::unsigned(out, u64::from(kind));
            out.push(b':');
            for (number, line) in data.chunks(BASE64_LINE_BYTES).enumerate() {
                if number > 0 {
                    out.extend_from_slice(b"\\n");
                }
                json_text::base64(out, line);
            }
            out.push(b'"');
        }
    }
    Ok(())
}

/// Years times 13 plus month, 5 bits day, 17 bits clock, 24 bits microseconds.
fn date(out: &mut Vec<u8>, packed: i64, kind: u8) -> Res<()> {
    let packed = u64::try_from(packed).map_err(|_| CUT)?;
    let days = packed >> 41;
    padded(out, (days >> 5) / 13, 4);
    out.push(b'-');
    padded(out, (days >> 5) % 13, 2);
    out.push(b'-');
    padded(out, days & 31, 2);
    if kind != DATE {
        out.push(b' ');
        clock(out, packed, 5);
    }
    Ok(())
}

fn time(out: &mut Vec<u8>, packed: i64) {
    if packed < 0 {
        out.push(b'-');
    }
    clock(out, packed.unsigned_abs() & ((1 << 46) - 1), 10);
}

fn clock(out: &mut Vec<u8>, packed: u64, hour_bits: u32) {
    let clock = packed >> 24;
    padded(out, clock >> 12 & ((1 << hour_bits) - 1), 2);
    out.push(b':');
    padded(out, clock >> 6 & 63, 2);
    out.push(b':');
    padded(out, clock & 63, 2);
    out.push(b'.');
    padded(out, packed & 0xFF_FFFF, 6);
}
