//! Packets of MySQL's protocol in a stream of bytes that comes in arbitrary pieces.

use std::borrow::Cow;

const HEADER_BYTES: usize = 4;
/// A packet of this length goes on in the next one.
const LONGEST: usize = 0xFF_FFFF;

/// What has arrived and is not yet handled.
#[derive(Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    handled: usize,
}

impl Buffer {
    pub fn add(&mut self, data: &[u8]) {
        if self.handled > 0 {
            self.bytes.drain(..self.handled);
            self.handled = 0;
        }
        self.bytes.extend_from_slice(data);
    }

    /// The next whole packet without its header; None when the rest of it has not arrived.
    pub fn next(&mut self) -> Option<Cow<'_, [u8]>> {
        let mut place = self.handled;
        let mut parts: Vec<u8> = Vec::new();
        loop {
            let header = self.bytes.get(place..place + HEADER_BYTES)?;
            let size = usize::from(header[0]) | usize::from(header[1]) << 8 | usize::from(header[2]) << 16;
            let begin = place + HEADER_BYTES;
            let end = begin + size;
            if end > self.bytes.len() {
                return None;
            }
            place = end;
            if size < LONGEST && parts.is_empty() {
                self.handled = end;
                return Some(Cow::Borrowed(&self.bytes[begin..end]));
            }
            parts.extend_from_slice(&self.bytes[begin..end]);
            if size < LONGEST {
                self.handled = end;
                return Some(Cow::Owned(parts));
            }
        }
    }
}

/// What a packet says besides data.
pub enum Signal {
    End,
    /// The server's error: its number and text.
    Refusal(u16, String),
}

/// The signal in a packet that is not data.
pub fn signal(packet: &[u8]) -> Option<Signal> {
    match packet.first() {
        Some(0xFE) if packet.len() < 9 => Some(Signal::End),
        Some(0xFF) if packet.len() >= 3 => {
            let number = u16::from_le_bytes([packet[1], packet[2]]);
            let rest = &packet[3..];
            let text = if rest.first() == Some(&b'#') && rest.len() >= 6 { &rest[6..] } else { rest };
            Some(Signal::Refusal(number, String::from_utf8_lossy(text).into_owned()))
        }
        _ => None,
    }
}
