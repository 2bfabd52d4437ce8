//! How JSON is spelled: strings, numbers and bytes, the same bytes as `reference/json_text.py`.

use crate::fault::{Malformed, Res};

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// True when one of eight bytes is a quote, a backslash or a control character.
#[inline]
fn needs_escape(word: u64) -> bool {
    let zero = |x: u64| x.wrapping_sub(LOW) & !x & HIGH;
    let control = word.wrapping_sub(LOW * 0x20) & !word & HIGH;
    (control | zero(word ^ (LOW * 0x22)) | zero(word ^ (LOW * 0x5C))) != 0
}

/// The text in quotes: UTF-8 as it is; only quotes, backslashes and control characters are escaped.
pub fn string(out: &mut Vec<u8>, text: &str) {
    quoted(out, text, b"0123456789ABCDEF");
}

/// As `string`, but control characters have lower-case digits, as MySQL prints them inside JSON.
pub fn document_string(out: &mut Vec<u8>, text: &str) {
    quoted(out, text, b"0123456789abcdef");
}

/// Clean runs are copied whole.
fn quoted(out: &mut Vec<u8>, text: &str, digits: &[u8; 16]) {
    out.push(b'"');
    let raw = text.as_bytes();
    out.reserve(raw.len() + 2);
    let mut copied = 0;
    let mut place = 0;
    while place < raw.len() {
        if let Some(word) = raw.get(place..place + 8) {
            if !needs_escape(u64::from_le_bytes(word.try_into().expect("eight bytes"))) {
                place += 8;
                continue;
            }
        }
        let end = raw.len().min(place + 8);
        while place < end {
            let byte = raw[place];
            if byte < 0x20 || byte == b'"' || byte == b'\\' {
                out.extend_from_slice(&raw[copied..place]);
                escape(out, byte, digits);
                copied = place + 1;
            }
            place += 1;
        }
    }
    out.extend_from_slice(&raw[copied..]);
    out.push(b'"');
}

fn escape(out: &mut Vec<u8>, byte: u8, digits: &[u8; 16]) {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0C => b'f',
        b'\r' => b'r',
        _ => {
            out.extend_from_slice(b"\\u00");
            out.push(digits[usize::from(byte >> 4)]);
            out.push(digits[usize::from(byte & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Hands on the text of a JSON value piece by piece: what a string holds, of anything else the JSON itself.
pub fn of_text(json: &[u8], mut take: impl FnMut(&[u8])) -> Res<()> {
    let Some(mut rest) = json.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")) else {
        take(json);
        return Ok(());
    };
    while let Some(place) = rest.iter().position(|byte| *byte == b'\\') {
        take(&rest[..place]);
        let escaped = &rest[place + 1..];
        let (byte, size) = unescaped(escaped).ok_or(Malformed("JSONDecodeError"))?;
        take(&[byte]);
        rest = &escaped[size..];
    }
    take(rest);
    Ok(())
}

/// What stands behind a backslash: the character, and how many bytes spell it. Only ASCII is ever escaped.
fn unescaped(raw: &[u8]) -> Option<(u8, usize)> {
    let byte = match *raw.first()? {
        same @ (b'"' | b'\\' | b'/') => same,
        b'b' => 0x08,
        b't' => b'\t',
        b'n' => b'\n',
        b'f' => 0x0C,
        b'r' => b'\r',
        b'u' => {
            let code = std::str::from_utf8(raw.get(1..5)?).ok()?;
            return u8::from_str_radix(code, 16).ok().filter(u8::is_ascii).map(|byte| (byte, 5));
        }
        _ => return None,
    };
    Some((byte, 1))
}

/// UTF-8, or the fault that the codec names.
#[inline]
pub fn utf8(raw: &[u8]) -> Res<&str> {
    std::str::from_utf8(raw).map_err(|_| Malformed("UnicodeDecodeError"))
}

pub fn signed(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

pub fn unsigned(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// A finite number taken apart: its sign, its digits without zeros at either end, and where the point stands
/// (digits before it; may be negative or beyond the digits). Zero has no digits.
pub struct Parts {
    pub negative: bool,
    digits: [u8; 24],
    length: usize,
    pub point: i32,
}

impl Parts {
    /// The shortest digits that read back as the same double.
    pub fn of_double(value: f64) -> Parts {
        Parts::read(ryu::Buffer::new().format_finite(value))
    }

    /// The shortest digits that read back as the same 4-byte float.
    pub fn of_float(value: f32) -> Parts {
        Parts::read(ryu::Buffer::new().format_finite(value))
    }

    pub fn digits(&self) -> &[u8] {
        &self.digits[..self.length]
    }

    fn read(text: &str) -> Parts {
        let mut parts = Parts { negative: false, digits: [0; 24], length: 0, point: 0 };
        let mut seen_point = false;
        let mut exponent = 0;
        for (place, byte) in text.bytes().enumerate() {
            match byte {
                b'-' => parts.negative = true,
                b'.' => seen_point = true,
                b'e' => {
                    exponent = text[place + 1..].parse().unwrap_or(0);
                    break;
                }
                _ => {
                    if byte != b'0' || parts.length > 0 {
                        parts.digits[parts.length] = byte;
                        parts.length += 1;
                        parts.point += i32::from(!seen_point);
                    } else if seen_point {
                        parts.point -= 1;
                    }
                }
            }
        }
        parts.point += exponent;
        while parts.length > 0 && parts.digits[parts.length - 1] == b'0' {
            parts.length -= 1;
        }
        parts
    }
}

/// A DOUBLE: an exponent below 1e-4 and from 1e16 on, as `1e-05` and `1e+16`; else a point.
pub fn double(out: &mut Vec<u8>, value: f64) {
    if value.is_finite() {
        number(out, &Parts::of_double(value));
    } else {
        not_finite(out, value);
    }
}

/// A 4-byte float, spelled like a DOUBLE.
pub fn float(out: &mut Vec<u8>, value: f32) {
    if value.is_finite() {
        number(out, &Parts::of_float(value));
    } else {
        not_finite(out, f64::from(value));
    }
}

fn not_finite(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(if value.is_nan() {
        b"\"NaN\""
    } else if value > 0.0 {
        b"\"Infinity\""
    } else {
        b"\"-Infinity\""
    });
}

fn number(out: &mut Vec<u8>, parts: &Parts) {
    if parts.negative {
        out.push(b'-');
    }
    let digits = parts.digits();
    let point = parts.point;
    if digits.is_empty() {
        out.extend_from_slice(b"0.0");
    } else if !(-3..=16).contains(&point) {
        out.push(digits[0]);
        if digits.len() > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        let exponent = point - 1;
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        if exponent.abs() < 10 {
            out.push(b'0');
        }
        unsigned(out, u64::from(exponent.unsigned_abs()));
    } else {
        plain(out, digits, point);
    }
}

/// Digits with the point at its place; zeros fill what lies between.
pub fn plain(out: &mut Vec<u8>, digits: &[u8], point: i32) {
    if point <= 0 {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + point.unsigned_abs() as usize, b'0');
        out.extend_from_slice(digits);
        return;
    }
    let point = point as usize;
    let whole = point.min(digits.len());
    out.extend_from_slice(&digits[..whole]);
    out.resize(out.len() + point - whole, b'0');
    out.push(b'.');
    out.extend_from_slice(if whole < digits.len() { &digits[whole..] } else { b"0" });
}

/// Base64, standard alphabet, padded, no line breaks; without quotes.
pub fn base64(out: &mut Vec<u8>, raw: &[u8]) {
    let start = out.len();
    let codec = base64_simd::STANDARD;
    out.resize(start + codec.encoded_length(raw.len()), 0);
    let _ = codec.encode(raw, base64_simd::Out::from_slice(&mut out[start..]));
}

/// Hexadecimal, lower case; without quotes.
pub fn hex(out: &mut Vec<u8>, raw: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(raw.len() * 2);
    for byte in raw {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}
