//! What only MariaDB stores: UUID and addresses as bytes, and compressed columns. Mirrors `reference/mariadb.py`.

use std::io::{Read, Write};

use flate2::read::{DeflateDecoder, ZlibDecoder};

use crate::fault::{Malformed, Res};

const WRONG: Malformed = Malformed("ValueError");

/// A type that is stored as bytes and printed as text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Address {
    Uuid,
    Inet4,
    Inet6,
}

impl Address {
    /// Appends the JSON string of a value, of which zeros at the end are not stored.
    pub fn write(self, out: &mut Vec<u8>, raw: &[u8]) -> Res<()> {
        let mut full = [0; 16];
        let width = if self == Address::Inet4 { 4 } else { 16 };
        full.get_mut(..raw.len().min(width)).filter(|room| room.len() == raw.len()).ok_or(WRONG)?.copy_from_slice(raw);
        out.push(b'"');
        match self {
            Address::Uuid => uuid(out, &full),
            Address::Inet4 => inet4(out, &full[..4]),
            Address::Inet6 => inet6(out, &full),
        }
        out.push(b'"');
        Ok(())
    }
}

fn text(out: &mut Vec<u8>, what: std::fmt::Arguments) {
    out.write_fmt(what).expect("memory takes all");
}

fn uuid(out: &mut Vec<u8>, raw: &[u8; 16]) {
    for (place, byte) in raw.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        text(out, format_args!("{byte:02x}"));
    }
}

fn inet4(out: &mut Vec<u8>, raw: &[u8]) {
    text(out, format_args!("{}.{}.{}.{}", raw[0], raw[1], raw[2], raw[3]));
}

/// The longest run of zero groups, also one of a single group, as `::`; an IPv4 address behind it with points.
fn inet6(out: &mut Vec<u8>, raw: &[u8; 16]) {
    let words: Vec<u16> = raw.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    let (start, size) = gap(&words);
    if start == 0 && (size == 6 || (size == 5 && words[5] == 0xffff)) {
        out.extend_from_slice(if size == 5 { b"::ffff:" } else { b"::" });
        return inet4(out, &raw[12..]);
    }
    if size == 0 {
        return groups(out, &words);
    }
    groups(out, &words[..start]);
    out.extend_from_slice(b"::");
    groups(out, &words[start + size..]);
}

fn groups(out: &mut Vec<u8>, words: &[u16]) {
    for (place, word) in words.iter().enumerate() {
        if place > 0 {
            out.push(b':');
        }
        text(out, format_args!("{word:x}"));
    }
}

/// Place and length of the first of the longest runs of zeros; length 0 where there is none.
fn gap(words: &[u16]) -> (usize, usize) {
    let (mut best, mut size, mut run) = (0, 0, 0);
    for (place, word) in words.iter().enumerate() {
        run = if *word == 0 { run + 1 } else { 0 };
        if run > size {
            (best, size) = (place + 1 - run, run);
        }
    }
    (best, size)
}

/// The bytes of a value of a COMPRESSED column; the Python twin says how they are laid out.
pub fn decompressed(raw: &[u8]) -> Res<Vec<u8>> {
    let Some((&first, rest)) = raw.split_first() else { return Ok(Vec::new()) };
    if first == 0 {
        return Ok(rest.to_vec());
    }
    let width = usize::from(first & 7);
    if first >> 4 != 8 || !(1..=4).contains(&width) || rest.len() < width {
        return Err(WRONG);
    }
    let (digits, packed) = rest.split_at(width);
    let length = digits.iter().fold(0, |sum: u64, digit| sum << 8 | u64::from(*digit));
    let mut plain = Vec::new();
    let read = if first & 8 == 8 {
        DeflateDecoder::new(packed).take(length + 1).read_to_end(&mut plain)
    } else {
        ZlibDecoder::new(packed).take(length + 1).read_to_end(&mut plain)
    };
    if read.is_err() || plain.len() as u64 != length {
        return Err(WRONG);
    }
    Ok(plain)
}
