//! QUERY events: a statement, and what it is to the stream of transactions; as `reference/query.py`.

use crate::fault::{little, Malformed, Res};

const FIXED_BYTES: usize = 13;
const LOAD_BYTES: usize = 13;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Phrase {
    Begin,
    Commit,
    Rollback,
    RollbackTo,
    XaCommit,
    XaRollback,
    Nothing,
    Other,
}

const STARTS: [(&str, Phrase); 8] = [
    ("SAVEPOINT ", Phrase::Nothing),
    ("RELEASE SAVEPOINT ", Phrase::Nothing),
    ("ROLLBACK TO ", Phrase::RollbackTo),
    ("XA START ", Phrase::Begin),
    ("XA BEGIN ", Phrase::Begin),
    ("XA END ", Phrase::Nothing),
    ("XA COMMIT ", Phrase::XaCommit),
    ("XA ROLLBACK ", Phrase::XaRollback),
];

pub fn phrase_of(sql: &str) -> Phrase {
    let start = sql.chars().take(32).collect::<String>().to_uppercase();
    match &start[..] {
        "BEGIN" => Phrase::Begin,
        "COMMIT" => Phrase::Commit,
        "ROLLBACK" => Phrase::Rollback,
        _ => STARTS.iter().find(|(words, _)| start.starts_with(words)).map_or(Phrase::Other, |(_, phrase)| *phrase),
    }
}

/// Default database and statement, from the body of the event.
pub fn parse(body: &[u8], is_load: bool) -> Res<(String, String)> {
    let fixed = FIXED_BYTES + if is_load { LOAD_BYTES } else { 0 };
    if body.len() < fixed {
        return Err(Malformed("ValueError"));
    }
    let place = fixed + little(&body[11..13]) as usize;
    let end = place + usize::from(body[8]);
    if end + 1 > body.len() {
        return Err(Malformed("ValueError"));
    }
    Ok((readable(&body[place..end]), readable(&body[end + 1..])))
}

/// Text whose bytes that are not UTF-8 are spelled `\xNN`: it is only read for the names of tables.
fn readable(raw: &[u8]) -> String {
    let mut text = String::new();
    for chunk in raw.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}
