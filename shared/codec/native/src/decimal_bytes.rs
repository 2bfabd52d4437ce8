//! DECIMAL as row images and binary JSON store it; `reference/decimal_bytes.py` tells the layout.

use crate::fault::{big, Malformed, Res};
use crate::json_text;

const DIGITS_OF_GROUP: usize = 9;
const BYTES_OF_DIGITS: [usize; 10] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];
const PRECISION_MAX: usize = 65;
const SCALE_MAX: usize = 30;

/// DECIMAL(precision, scale), checked.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    whole: usize,
    scale: usize,
    pub width: usize,
}

impl Shape {
    pub fn new(precision: usize, scale: usize) -> Res<Shape> {
        if precision == 0 || precision > PRECISION_MAX || scale > SCALE_MAX || scale > precision {
            return Err(Malformed("ValueError"));
        }
        let whole = precision - scale;
        let bytes = |digits: usize| digits / DIGITS_OF_GROUP * 4 + BYTES_OF_DIGITS[digits % DIGITS_OF_GROUP];
        Ok(Shape { whole, scale, width: bytes(whole) + bytes(scale) })
    }

    /// The text with exactly the declared scale; there is no negative zero.
    pub fn write(&self, out: &mut Vec<u8>, raw: &[u8], plainly: bool) -> Res<()> {
        let mut digits = [0u8; PRECISION_MAX];
        let negative = self.digits(raw, &mut digits)?;
        let digits = &digits[..self.whole + self.scale];
        if negative && digits.iter().any(|digit| *digit != b'0') {
            out.push(b'-');
        }
        spell(out, digits, self.scale, plainly);
        Ok(())
    }

    fn digits(&self, raw: &[u8], digits: &mut [u8; PRECISION_MAX]) -> Res<bool> {
        if raw.len() != self.width {
            return Err(Malformed("ValueError"));
        }
        let mut bytes = [0u8; 40];
        let bytes = &mut bytes[..raw.len()];
        bytes.copy_from_slice(raw);
        bytes[0] ^= 0x80;
        let negative = bytes[0] & 0x80 != 0;
        if negative {
            bytes.iter_mut().for_each(|byte| *byte = !*byte);
        }
        let first = self.whole % DIGITS_OF_GROUP;
        let last = self.scale % DIGITS_OF_GROUP;
        let full = self.whole / DIGITS_OF_GROUP + self.scale / DIGITS_OF_GROUP;
        let groups = std::iter::once(first).chain(std::iter::repeat_n(DIGITS_OF_GROUP, full)).chain([last]);
        let (mut from, mut to) = (0, 0);
        for count in groups {
            let size = BYTES_OF_DIGITS[count];
            let mut group = big(&bytes[from..from + size]);
            for place in (to..to + count).rev() {
                digits[place] = b'0' + (group % 10) as u8;
                group /= 10;
            }
            if group != 0 {
                return Err(Malformed("ValueError"));
            }
            from += size;
            to += count;
        }
        Ok(negative)
    }
}

/// Digits with `scale` of them behind the point: plain, or as Java's BigDecimal prints them.
pub fn spell(out: &mut Vec<u8>, digits: &[u8], scale: usize, plainly: bool) {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    let significant = &digits[zeros.min(digits.len().saturating_sub(1))..];
    let exponent = significant.len() as i64 - 1 - scale as i64;
    if !plainly && exponent < -6 {
        out.push(significant[0]);
        if significant.len() > 1 {
            out.push(b'.');
            out.extend_from_slice(&significant[1..]);
        }
        out.extend_from_slice(b"E");
        json_text::signed(out, exponent);
        return;
    }
    let whole = digits.len() - scale;
    if zeros >= whole {
        out.push(b'0');
    } else {
        out.extend_from_slice(&digits[zeros..whole]);
    }
    if scale > 0 {
        out.push(b'.');
        out.extend_from_slice(&digits[whole..]);
    }
}

/// MySQL's own text of a DECIMAL, which may be filled with zeros, spelled as `Shape::write` does.
pub fn rewrite(out: &mut Vec<u8>, text: &[u8], plainly: bool) -> Res<()> {
    let (negative, unsigned) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let point = unsigned.iter().position(|byte| *byte == b'.');
    let mut digits = Vec::with_capacity(unsigned.len() + 1);
    digits.extend(unsigned.iter().filter(|byte| **byte != b'.'));
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Malformed("ValueError"));
    }
    let scale = point.map_or(0, |point| digits.len().saturating_sub(point));
    if negative && digits.iter().any(|digit| *digit != b'0') {
        out.push(b'-');
    }
    spell(out, &digits, scale, plainly);
    Ok(())
}
