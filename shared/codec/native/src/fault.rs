//! What can go wrong inside the core. Nothing here panics on bytes: every bound is checked.

/// A value or packet that cannot be decoded exactly. The Python side turns it into a named error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

pub type Res<T> = Result<T, Malformed>;

/// `size` bytes at `place`, which moves behind them.
#[inline]
pub fn take<'a>(data: &'a [u8], place: &mut usize, size: usize) -> Res<&'a [u8]> {
    let end = place.checked_add(size).ok_or(Malformed("a length is impossible"))?;
    let part = data.get(*place..end).ok_or(Malformed("a value is cut short"))?;
    *place = end;
    Ok(part)
}

/// An unsigned number of 1 to 8 bytes, little-endian.
#[inline]
pub fn little(raw: &[u8]) -> u64 {
    let mut bytes = [0u8; 8];
    bytes[..raw.len()].copy_from_slice(raw);
    u64::from_le_bytes(bytes)
}

/// An unsigned number of 1 to 8 bytes, big-endian.
#[inline]
pub fn big(raw: &[u8]) -> u64 {
    raw.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// A length-encoded integer of MySQL's protocol.
#[inline]
pub fn packed_number(data: &[u8], place: &mut usize) -> Res<u64> {
    let first = take(data, place, 1)?[0];
    let width = match first {
        0..=250 => return Ok(u64::from(first)),
        252 => 2,
        253 => 3,
        254 => 8,
        _ => return Err(Malformed("no length-encoded integer")),
    };
    Ok(little(take(data, place, width)?))
}

/// A byte string behind its length-encoded length.
#[inline]
pub fn counted<'a>(data: &'a [u8], place: &mut usize) -> Res<&'a [u8]> {
    let length = usize::try_from(packed_number(data, place)?).map_err(|_| Malformed("a length is impossible"))?;
    take(data, place, length)
}
