//! One column: where its bytes are, and how they become JSON. The Python side says which (`native/fields.py`).

use std::borrow::Cow;
use std::sync::Arc;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::charsets::Charset;
use crate::decimal_bytes;
use crate::fault::{counted, little, take, Malformed, Res};
use crate::json_text;
use crate::mariadb::{self, Address};
use crate::temporal::{self, Moment};
use crate::{geometry, jsonb};

/// How many bytes a value takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Layout {
    Fixed(usize),
    /// Row images: so many bytes of length, little-endian, stand before the value.
    Prefixed(usize),
    /// Binary protocol: strings and bytes.
    Counted,
    /// Binary protocol: temporal values behind one byte of length.
    Measured,
}

impl Layout {
    #[inline]
    pub fn take<'a>(self, data: &'a [u8], place: &mut usize) -> Res<&'a [u8]> {
        let size = match self {
            Layout::Fixed(size) => size,
            Layout::Prefixed(width) => little(take(data, place, width)?) as usize,
            Layout::Measured => usize::from(take(data, place, 1)?[0]),
            Layout::Counted => return counted(data, place),
        };
        take(data, place, size)
    }
}

/// How dates look.
#[derive(Debug, Clone)]
pub struct DateStyle {
    /// Places of the fraction.
    pub digits: usize,
    /// A row image's form, or the binary protocol's.
    pub stored: bool,
    /// A blank, or `T`.
    pub separator: u8,
    /// What stands behind the clock.
    pub suffix: Vec<u8>,
    /// In a key, a zero date keeps its digits; elsewhere it is null.
    pub in_key: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum BytesStyle {
    Base64,
    Hex,
}

pub enum Format {
    /// A hidden column: stepped over, never written.
    Skipped,
    Signed,
    Unsigned,
    /// TINYINT(1): true for 1, false for 0, any other value the number that it is.
    Boolean { signed: bool },
    StoredYear,
    Float,
    Double,
    StoredDecimal { shape: decimal_bytes::Shape, plainly: bool },
    /// MySQL's own text, digit for digit.
    SentDecimal { plainly: bool, rewritten: bool },
    Date(DateStyle),
    Datetime(DateStyle),
    Timestamp(DateStyle),
    Time { digits: usize, stored: bool },
    Text { charset: Arc<Charset>, trimmed: bool },
    /// Labels as JSON strings; index 0 is the invalid value.
    EnumIndex(Vec<Vec<u8>>),
    /// Labels as JSON strings, or bare for a joined text.
    SetBits { labels: Vec<Vec<u8>>, joined: bool },
    Bytes { style: BytesStyle, padded: usize },
    OneBit,
    StoredJson { bare: bool },
    SentJson { bare: bool },
    Geometry,
    Vector,
    Address(Address),
    /// Of a COMPRESSED column of MariaDB: what its plain bytes are.
    Compressed(Box<Format>),
    /// A hash of the value's text in place of the value.
    Hashed { value: Box<Format>, keyed: Box<Hmac<Sha256>> },
}

/// One column as it comes.
pub struct Field {
    pub layout: Layout,
    pub format: Format,
}

const WRONG: Malformed = Malformed("ValueError");

impl Format {
    /// Appends the JSON of a value that is not NULL. `scratch` is room for texts within texts.
    pub fn write(&self, out: &mut Vec<u8>, raw: &[u8], scratch: &mut Vec<u8>) -> Res<()> {
        match self {
            Format::Skipped => {}
            Format::Signed => json_text::signed(out, signed(raw)),
            Format::Unsigned => json_text::unsigned(out, little(raw)),
            Format::Boolean { signed: with_sign } => match little(raw) {
                0 => out.extend_from_slice(b"false"),
                1 => out.extend_from_slice(b"true"),
                number if *with_sign => json_text::signed(out, i64::from(number as i8)),
                number => json_text::unsigned(out, number),
            },
            Format::StoredYear => match raw[0] {
                0 => out.push(b'0'),
                year => json_text::unsigned(out, u64::from(year) + 1900),
            },
            Format::Float => json_text::float(out, f32::from_bits(little(raw) as u32)),
            Format::Double => json_text::double(out, f64::from_bits(little(raw))),
            Format::StoredDecimal { shape, plainly } => shape.write(out, raw, *plainly)?,
            Format::SentDecimal { rewritten: false, .. } => out.extend_from_slice(raw),
            Format::SentDecimal { plainly, .. } => decimal_bytes::rewrite(out, raw, *plainly)?,
            Format::Date(style) => date(out, raw, style)?,
            Format::Datetime(style) => datetime(out, raw, style)?,
            Format::Timestamp(style) => timestamp(out, raw, style)?,
            Format::Time { digits, stored } => time(out, raw, *digits, *stored)?,
            Format::Text { charset, trimmed } => text(out, raw, charset, *trimmed)?,
            Format::EnumIndex(labels) => {
                out.extend_from_slice(labels.get(little(raw) as usize).ok_or(Malformed("IndexError"))?);
            }
            Format::SetBits { labels, joined } => set(out, little(raw), labels, *joined)?,
            Format::Bytes { style, padded } => bytes(out, raw, *style, *padded, scratch),
            Format::OneBit => out.extend_from_slice(if raw == b"\x01" { b"true" } else { b"false" }),
            Format::StoredJson { bare: true } => jsonb::document(out, raw)?,
            Format::StoredJson { bare: false } => {
                scratch.clear();
                jsonb::document(scratch, raw)?;
                json_text::string(out, json_text::utf8(scratch)?);
            }
            Format::SentJson { bare } => {
                let text = json_text::utf8(raw)?;
                // MySQL prints JSON on one line; early servers of the 8.0 series leave the line breaks of their
                // base64 unescaped.
                let line = if raw.contains(&b'\n') { Cow::Owned(text.replace('\n', "\\n")) } else { Cow::Borrowed(text) };
                if *bare {
                    out.extend_from_slice(line.as_bytes());
                } else {
                    json_text::string(out, &line);
                }
            }
            Format::Geometry => {
                scratch.clear();
                geometry::text(scratch, raw)?;
                json_text::string(out, json_text::utf8(scratch)?);
            }
            Format::Vector => vector(out, raw)?,
            Format::Address(kind) => kind.write(out, raw)?,
            Format::Compressed(plain) => plain.write(out, &mariadb::decompressed(raw)?, scratch)?,
            Format::Hashed { value, keyed } => {
                let begin = out.len();
                value.write(out, raw, scratch)?;
                if &out[begin..] != b"null" {
                    let mut keyed = Hmac::clone(keyed);
                    json_text::of_text(&out[begin..], |part| keyed.update(part))?;
                    out.truncate(begin);
                    out.push(b'"');
                    json_text::hex(out, &keyed.finalize().into_bytes());
                    out.push(b'"');
                }
            }
        }
        Ok(())
    }
}

/// A number of 1, 2, 3, 4 or 8 bytes with its sign.
#[inline]
fn signed(raw: &[u8]) -> i64 {
    let unused = 64 - 8 * raw.len() as u32;
    ((little(raw) << unused) as i64) >> unused
}

fn dated(out: &mut Vec<u8>, moment: &Moment, style: &DateStyle, clock: bool) {
    if moment.is_zero_date() && !style.in_key {
        out.extend_from_slice(b"null");
        return;
    }
    out.push(b'"');
    moment.write_date(out);
    if clock {
        out.push(style.separator);
        moment.write_clock(out, style.digits);
        out.extend_from_slice(&style.suffix);
    }
    out.push(b'"');
}

fn date(out: &mut Vec<u8>, raw: &[u8], style: &DateStyle) -> Res<()> {
    let moment = if style.stored { temporal::stored_date(raw) } else { temporal::sent_datetime(raw, 0)? };
    dated(out, &moment, style, false);
    Ok(())
}

fn datetime(out: &mut Vec<u8>, raw: &[u8], style: &DateStyle) -> Res<()> {
    let moment = if style.stored {
        temporal::stored_datetime(raw, style.digits)?
    } else {
        temporal::sent_datetime(raw, style.digits)?
    };
    dated(out, &moment, style, true);
    Ok(())
}

fn timestamp(out: &mut Vec<u8>, raw: &[u8], style: &DateStyle) -> Res<()> {
    let moment = if style.stored {
        temporal::stored_timestamp(raw, style.digits)
    } else {
        temporal::sent_datetime(raw, style.digits)?
    };
    dated(out, &moment, style, true);
    Ok(())
}

fn time(out: &mut Vec<u8>, raw: &[u8], digits: usize, stored: bool) -> Res<()> {
    let (negative, moment) =
        if stored { temporal::stored_time(raw, digits) } else { temporal::sent_time(raw, digits)? };
    out.extend_from_slice(if negative { b"\"-" } else { b"\"" });
    moment.write_clock(out, digits);
    out.push(b'"');
    Ok(())
}

fn text(out: &mut Vec<u8>, raw: &[u8], charset: &Charset, trimmed: bool) -> Res<()> {
    let decoded = charset.decode(raw)?;
    json_text::string(out, if trimmed { decoded.trim_end_matches(' ') } else { &decoded });
    Ok(())
}

fn set(out: &mut Vec<u8>, bits: u64, labels: &[Vec<u8>], joined: bool) -> Res<()> {
    if labels.len() < 64 && bits >> labels.len() != 0 {
        return Err(WRONG);
    }
    out.push(if joined { b'"' } else { b'[' });
    let chosen = labels.iter().enumerate().filter(|(place, _)| bits >> place & 1 == 1);
    for (number, (_, label)) in chosen.enumerate() {
        if number > 0 {
            out.push(b',');
        }
        out.extend_from_slice(label);
    }
    out.push(if joined { b'"' } else { b']' });
    Ok(())
}

fn bytes(out: &mut Vec<u8>, raw: &[u8], style: BytesStyle, padded: usize, scratch: &mut Vec<u8>) {
    let raw = if raw.len() < padded {
        scratch.clear();
        scratch.extend_from_slice(raw);
        scratch.resize(padded, 0);
        &scratch[..]
    } else {
        raw
    };
    out.push(b'"');
    match style {
        BytesStyle::Base64 => json_text::base64(out, raw),
        BytesStyle::Hex => json_text::hex(out, raw),
    }
    out.push(b'"');
}

fn vector(out: &mut Vec<u8>, raw: &[u8]) -> Res<()> {
    if raw.len() % 4 != 0 {
        return Err(WRONG);
    }
    out.push(b'[');
    for (number, part) in raw.chunks_exact(4).enumerate() {
        if number > 0 {
            out.push(b',');
        }
        json_text::float(out, f32::from_bits(little(part) as u32));
    }
    out.push(b']');
    Ok(())
}
