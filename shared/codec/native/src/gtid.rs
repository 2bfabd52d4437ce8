//! GTID events of all layouts, and runs of GTIDs; `reference/gtid.py` tells the layouts.

use crate::fault::{little, packed_number, Malformed, Res};

const COMMIT_TIME_AT: usize = 42;
const COMMIT_TIME_MASK: u64 = (1 << 55) - 1;
const CUT: Malformed = Malformed("ValueError");

/// Of MariaDB's: number, domain, flags, and room for what the flags announce.
const DOMAIN_GTID_BYTES: usize = 19;
const STANDALONE: u8 = 1;

/// Who numbers transactions: a server and perhaps a tag, or a domain and a server of MariaDB.
#[derive(Clone, PartialEq)]
pub enum Source {
    Server([u8; 16], String),
    Domain(u32, u32),
}

/// Who committed, when (microseconds since 1970 on this server), and the bytes of the transaction; 0 where it is not told.
pub struct Facts {
    pub source: Source,
    pub number: u64,
    pub commit_microseconds: u64,
    pub length: u64,
}

pub fn plain(body: &[u8]) -> Res<Facts> {
    if body.len() < COMMIT_TIME_AT {
        return Err(CUT);
    }
    let moment = body.get(COMMIT_TIME_AT..COMMIT_TIME_AT + 7).map(little);
    let times = if moment.is_some_and(|moment| moment > COMMIT_TIME_MASK) { 2 } else { 1 };
    let length = match body.get(COMMIT_TIME_AT + 7 * times..) {
        Some(rest) if moment.is_some() && !rest.is_empty() => packed_number(rest, &mut 0)?,
        _ => 0,
    };
    Ok(Facts {
        source: Source::Server(body[1..17].try_into().map_err(|_| CUT)?, String::new()),
        number: little(&body[17..25]),
        commit_microseconds: moment.map_or(0, |moment| moment & COMMIT_TIME_MASK),
        length,
    })
}

/// MariaDB's, and whether it stands before one statement that commits by itself; before anything else it is also the BEGIN.
pub fn domain(body: &[u8], server_id: u32) -> Res<(Facts, bool)> {
    if body.len() < DOMAIN_GTID_BYTES {
        return Err(CUT);
    }
    let source = Source::Domain(little(&body[8..12]) as u32, server_id);
    let facts = Facts { source, number: little(&body[..8]), commit_microseconds: 0, length: 0 };
    Ok((facts, body[12] & STANDALONE != 0))
}

pub fn tagged(body: &[u8]) -> Res<Facts> {
    let mut reader = Numbers { data: body, place: 0 };
    if reader.unsigned()? != 1 {
        return Err(CUT);
    }
    let end = (reader.unsigned()? as usize).min(body.len());
    let last_needed = reader.unsigned()?;
    let (mut uuid, mut tag) = ([0u8; 16], String::new());
    let (mut number, mut commit_microseconds, mut length) = (0, 0, 0);
    let mut named = false;
    while reader.place < end {
        match reader.unsigned()? {
            1 => {
                for byte in &mut uuid {
                    *byte = u8::try_from(reader.unsigned()?).map_err(|_| CUT)?;
                }
                named = true;
            }
            3 => tag = reader.text()?,
            2 => number = reader.signed()? as u64,
            6 => commit_microseconds = reader.unsigned()?,
            4 | 5 => drop(reader.signed()?),
            8 => length = reader.unsigned()?,
            0 | 7 | 9..=11 => drop(reader.unsigned()?),
            field if field <= last_needed => return Err(CUT),
            _ => break,
        }
    }
    if !named {
        return Err(CUT);
    }
    Ok(Facts { source: Source::Server(uuid, tag), number, commit_microseconds, length })
}

impl Facts {
    /// Transactions are numbered from 1.
    pub fn checked(self) -> Res<Facts> {
        if self.number >= 1 && i64::try_from(self.number).is_ok() { Ok(self) } else { Err(CUT) }
    }
}

/// Numbers of varying length, 1 to 9 bytes, little-endian: the trailing one-bits count the bytes that follow.
struct Numbers<'a> {
    data: &'a [u8],
    place: usize,
}

impl Numbers<'_> {
    fn unsigned(&mut self) -> Res<u64> {
        let first = *self.data.get(self.place).ok_or(CUT)?;
        let more = first.trailing_ones() as usize;
        let end = self.place + 1 + more;
        let bytes = self.data.get(self.place..end).ok_or(CUT)?;
        let packed = bytes.iter().rev().fold(0u128, |number, byte| number << 8 | u128::from(*byte));
        self.place = end;
        u64::try_from(packed >> (more + 1).min(8)).map_err(|_| CUT)
    }

    fn signed(&mut self) -> Res<i64> {
        let packed = self.unsigned()?;
        let value = (packed >> 1) as i64;
        Ok(if packed & 1 == 1 { !value } else { value })
    }

    fn text(&mut self) -> Res<String> {
        let length = self.unsigned()? as usize;
        let end = self.place.checked_add(length).ok_or(CUT)?;
        let raw = self.data.get(self.place..end).ok_or(CUT)?;
        self.place = end;
        if !raw.is_ascii() {
            return Err(CUT);
        }
        Ok(String::from_utf8_lossy(raw).into_owned())
    }
}

/// Transactions of one group, in the text form of sets once it is whole.
#[derive(Default)]
pub struct Runs(Vec<(Source, Vec<(u64, u64)>)>);

impl Runs {
    pub fn add(&mut self, facts: Facts) {
        let Facts { source, number, .. } = facts;
        let Some((_, runs)) = self.0.iter_mut().find(|(known, _)| *known == source) else {
            self.0.push((source, vec![(number, number)]));
            return;
        };
        match runs.last_mut() {
            Some(run) if run.1 + 1 == number => run.1 = number,
            _ => runs.push((number, number)),
        }
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        for (source, runs) in &self.0 {
            if !text.is_empty() {
                text.push(',');
            }
            source.write(&mut text);
            for (first, last) in runs {
                if first == last {
                    text.push_str(&format!(":{first}"));
                } else {
                    text.push_str(&format!(":{first}-{last}"));
                }
            }
        }
        text
    }
}

impl Source {
    fn write(&self, text: &mut String) {
        match self {
            Source::Domain(domain, server) => text.push_str(&format!("{domain}-{server}")),
            Source::Server(uuid, tag) => {
                for (place, byte) in uuid.iter().enumerate() {
                    if matches!(place, 4 | 6 | 8 | 10) {
                        text.push('-');
                    }
                    text.push_str(&format!("{byte:02x}"));
                }
                if !tag.is_empty() {
                    text.push(':');
                    text.push_str(tag);
                }
            }
        }
    }
}
