//! Compressed transactions: events are handed out one by one as they are decompressed.

use std::io::{Cursor, Read};

use crate::events::Stop;
use crate::fault::{counted, little, packed_number, Malformed};

const HEADER_BYTES: u64 = 19;
const END: u64 = 0;
const COMPRESSION: u64 = 2;
const UNCOMPRESSED_SIZE: u64 = 3;
const ZSTD: u64 = 0;
const NONE: u64 = 255;
const CUT: Stop = Stop::Malformed(Malformed("ValueError"));

/// The rest of a compressed transaction.
pub struct Payload {
    source: Box<dyn Read + Send + Sync>,
    left: u64,
    /// Where the envelope ends in the binlog.
    pub end_position: u64,
}

impl Payload {
    /// Opens the envelope behind the common header.
    pub fn open(body: &[u8], end_position: u64) -> Result<Payload, Stop> {
        let mut place = 0;
        let (mut compression, mut size) = (NONE, None);
        loop {
            let kind = packed_number(body, &mut place)?;
            if kind == END {
                break;
            }
            let field = counted(body, &mut place)?;
            match kind {
                COMPRESSION => compression = packed_number(field, &mut 0)?,
                UNCOMPRESSED_SIZE => size = Some(packed_number(field, &mut 0)?),
                _ => {}
            }
        }
        let payload = body[place..].to_vec();
        match (compression, size) {
            (NONE, _) => {
                let left = payload.len() as u64;
                Ok(Payload { source: Box::new(Cursor::new(payload)), left, end_position })
            }
            (ZSTD, Some(left)) => {
                let decoder = zstd::stream::read::Decoder::new(Cursor::new(payload));
                let source = Box::new(decoder.map_err(|_| Stop::Malformed(Malformed("ZstdError")))?);
                Ok(Payload { source, left, end_position })
            }
            _ => Err(Stop::named(
                "UnsupportedEvent",
                format!("A transaction in the binlog is compressed in a way that is not known ({compression})."),
                "Set binlog_transaction_compression=OFF on the source.",
            )),
        }
    }

    /// The next event, without checksum; None behind the last.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, Stop> {
        if self.left == 0 {
            return Ok(None);
        }
        if self.left < HEADER_BYTES {
            return Err(CUT);
        }
        let mut event = vec![0; HEADER_BYTES as usize];
        self.fill(&mut event)?;
        let length = little(&event[9..13]);
        if length < HEADER_BYTES || length > self.left {
            return Err(CUT);
        }
        // Grown as it is read: a crafted length costs no memory.
        let wanted = length - HEADER_BYTES;
        let read = self.source.by_ref().take(wanted).read_to_end(&mut event);
        match read {
            Ok(size) if size as u64 == wanted => {}
            Ok(_) => return Err(CUT),
            Err(_) => return Err(Stop::Malformed(Malformed("ZstdError"))),
        }
        self.left -= length;
        Ok(Some(event))
    }

    fn fill(&mut self, room: &mut [u8]) -> Result<(), Stop> {
        self.source.read_exact(room).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => CUT,
            _ => Stop::Malformed(Malformed("ZstdError")),
        })
    }
}
