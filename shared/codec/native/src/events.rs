//! The binlog as packets becomes events, without I/O; the laws stand in `reference/events.py`.

use std::collections::HashMap;
use std::sync::Arc;

use crate::fault::{counted, little, packed_number, take, Malformed, Res};
use crate::gtid::{self, Facts, Runs};
use crate::packets::{signal, Buffer, Signal};
use crate::payload::Payload;
use crate::query::{self, Phrase};
use crate::rows::{Pair, Pairs, RowShape, UPDATE_ROWS};

const HEADER_BYTES: usize = 19;
const CHECKSUM_BYTES: usize = 4;
const CRC32: u8 = 1;
const IGNORABLE: u16 = 0x80;
const BINLOG_VERSION: u64 = 4;
/// A rows event for no table, which only ends its statement.
const NO_TABLE: u64 = 0xFF_FFFF;
/// Rows events of the first version are so much lower in number.
const V1_LOWER: u8 = 7;
/// A call returns when it has made so many bytes; the rest waits for the next call.
const BATCH_BYTES: usize = 4 << 20;
/// Table maps that are remembered beyond their transaction.
const KNOWN_MAX: usize = 65_536;

const QUERY: u8 = 2;
const ROTATE: u8 = 4;
const FORMAT: u8 = 15;
const XID: u8 = 16;
const EXECUTE_LOAD_QUERY: u8 = 18;
const TABLE_MAP: u8 = 19;
const HEARTBEAT: u8 = 27;
const PARTIAL_UPDATE: u8 = 39;
const PAYLOAD: u8 = 40;
const HEARTBEAT_2: u8 = 41;
const DOMAIN_GTID: u8 = 162;

/// Why decoding stops.
pub enum Stop {
    Malformed(Malformed),
    /// An error of `shared.errors`: its name, message and hint.
    Named(&'static str, String, String),
    /// What a call into Python raised.
    Raised(pyo3::PyErr),
}

impl From<Malformed> for Stop {
    fn from(fault: Malformed) -> Stop {
        Stop::Malformed(fault)
    }
}

impl Stop {
    pub fn named(name: &'static str, message: String, hint: &str) -> Stop {
        Stop::Named(name, message, hint.to_owned())
    }

    fn unsupported(message: String, hint: &str) -> Stop {
        Stop::named("UnsupportedEvent", message, hint)
    }
}

/// A table as a TABLE_MAP shows it, bound to the job's schema.
pub struct Bound {
    /// The face of the table on the Python side; without a shape, what there is to say of it.
    pub table: pyo3::Py<pyo3::PyAny>,
    pub name: String,
    /// None: the table is not as the job knows it.
    pub shape: Option<Arc<RowShape>>,
}

/// Asks which decoder a table has: database, table, body of the TABLE_MAP.
pub type Bind<'a> = dyn FnMut(&str, &str, &[u8]) -> Result<Option<Bound>, Stop> + 'a;

/// What a call of `feed` hands on.
pub enum Item {
    Begin {
        gtids: Option<Runs>,
        end: u64,
        timestamp: u32,
        commit_microseconds: u64,
        transaction_end: u64,
        server_id: u32,
    },
    Rows { table: Arc<Bound>, pairs: Vec<Pair>, end: u64, timestamp: u32 },
    Unread { table: Arc<Bound>, end: u64, timestamp: u32 },
    End { end: u64, timestamp: u32 },
    Statement { database: String, sql: String, end: u64, timestamp: u32 },
    Rotate { file: String, position: u64, end: u64, timestamp: u32 },
    Heartbeat { file: String, position: u64, end: u64, timestamp: u32 },
}

#[derive(Default)]
pub struct Batch {
    pub items: Vec<Item>,
    pub pairs: Pairs,
    /// Where the open group begins, if it may take in another transaction.
    mergeable: Option<usize>,
    /// The open group's changes of each table.
    rows: Vec<(Arc<Bound>, usize)>,
}

#[derive(Clone, Copy)]
struct Header {
    timestamp: u32,
    kind: u8,
    flags: u16,
    end: u64,
    size: usize,
    server_id: u32,
}

impl Header {
    fn read(packet: &[u8], end: u64) -> Header {
        Header {
            timestamp: little(&packet[..4]) as u32,
            kind: packet[4],
            flags: little(&packet[17..19]) as u16,
            end,
            size: packet.len(),
            server_id: little(&packet[5..9]) as u32,
        }
    }
}

type Map = Option<Arc<Bound>>;

#[derive(Default)]
pub struct Decoder {
    buffer: Buffer,
    payload: Option<Payload>,
    /// None: no FORMAT_DESCRIPTION yet.
    checksummed: Option<bool>,
    position: u64,
    /// Of the current transaction.
    maps: HashMap<u64, Map>,
    /// By table id: the last TABLE_MAP and what it was bound to, since servers repeat them.
    known: HashMap<u64, (Vec<u8>, Map)>,
    in_transaction: bool,
    begun: bool,
    changed: bool,
    merge: bool,
    pub ended: bool,
    pub refusal: Option<(u16, String)>,
    /// More can be decoded before more data comes.
    pub more: bool,
    kind: u8,
}

impl Decoder {
    /// Decodes what has arrived, up to a bound; what was decoded before an error is in the batch.
    pub fn feed(&mut self, data: &[u8], merge: bool, bind: &mut Bind, batch: &mut Batch) -> Result<(), Stop> {
        self.merge = merge;
        self.buffer.add(data);
        let mut buffer = std::mem::take(&mut self.buffer);
        let result = self.run(&mut buffer, bind, batch);
        self.buffer = buffer;
        result.map_err(|stop| self.explained(stop))
    }

    fn run(&mut self, buffer: &mut Buffer, bind: &mut Bind, batch: &mut Batch) -> Result<(), Stop> {
        self.more = false;
        while !self.ended && self.refusal.is_none() {
            if batch.pairs.bytes.len() >= BATCH_BYTES {
                self.more = true;
                return Ok(());
            }
            if self.payload.is_some() {
                self.inner(bind, batch)?;
                continue;
            }
            let Some(packet) = buffer.next() else { break };
            match signal(&packet) {
                Some(Signal::End) => self.ended = true,
                Some(Signal::Refusal(number, text)) => self.refusal = Some((number, text)),
                None if packet.first() == Some(&0) => self.event(&packet[1..], bind, batch)?,
                None => return Err(Malformed("ValueError").into()),
            }
        }
        Ok(())
    }

    fn explained(&self, stop: Stop) -> Stop {
        let Stop::Malformed(Malformed(why)) = stop else { return stop };
        Stop::unsupported(
            format!(
                "Event type {} before offset {} of the binlog cannot be decoded ({why}).",
                self.kind, self.position
            ),
            "The event is damaged, or holds bytes that are invalid in their column's character set.",
        )
    }

    fn event(&mut self, packet: &[u8], bind: &mut Bind, batch: &mut Batch) -> Result<(), Stop> {
        self.kind = packet.get(4).copied().unwrap_or(0);
        if packet.len() < HEADER_BYTES || little(&packet[9..13]) as usize != packet.len() {
            return Err(Malformed("ValueError").into());
        }
        self.position = widened(little(&packet[13..17]), self.position);
        let header = Header::read(packet, self.position);
        let body = self.body(header, packet)?;
        self.dispatch(header, body, bind, batch)
    }

    /// What stands between header and checksum; the checksum is verified.
    fn body<'a>(&mut self, header: Header, packet: &'a [u8]) -> Result<&'a [u8], Stop> {
        let long = packet.len() >= HEADER_BYTES + CHECKSUM_BYTES;
        let whole = &packet[HEADER_BYTES..];
        let bare = if long { &packet[HEADER_BYTES..packet.len() - CHECKSUM_BYTES] } else { whole };
        if header.kind == FORMAT {
            // The algorithm's byte stands before the checksum, which is always there.
            let algorithm = *bare.last().filter(|_| long).ok_or(Malformed("IndexError"))?;
            self.checksummed = Some(algorithm == CRC32);
            if algorithm != CRC32 {
                return Ok(bare);
            }
        }
        match self.checksummed {
            Some(false) => return Ok(whole),
            None => {
                // Made-up events before the first FORMAT_DESCRIPTION may or may not have one: it proves itself.
                if !matches!(header.kind, ROTATE | HEARTBEAT | HEARTBEAT_2) {
                    return Err(Malformed("ValueError").into());
                }
                return Ok(if verified(packet) { bare } else { whole });
            }
            Some(true) => {}
        }
        if !long || !verified(packet) {
            return Err(Stop::unsupported(
                format!(
                    "The checksum of event type {} before offset {} of the binlog is wrong.",
                    header.kind, header.end
                ),
                "The event was damaged on disk or on its way; check the source's binlog with mysqlbinlog \
                 --verify-binlog-checksum.",
            ));
        }
        Ok(bare)
    }

    fn inner(&mut self, bind: &mut Bind, batch: &mut Batch) -> Result<(), Stop> {
        let Some(payload) = &mut self.payload else { return Ok(()) };
        let end = payload.end_position;
        let Some(event) = payload.next()? else {
            self.payload = None;
            return Ok(());
        };
        let header = Header::read(&event, end);
        if matches!(header.kind, PAYLOAD | FORMAT | ROTATE) {
            return Err(Malformed("ValueError").into());
        }
        self.dispatch(header, &event[HEADER_BYTES..], bind, batch)
    }

    fn dispatch(&mut self, header: Header, body: &[u8], bind: &mut Bind, batch: &mut Batch) -> Result<(), Stop> {
        match header.kind {
            30..=32 => self.rows(header, body, batch),
            23..=25 => self.rows_v1(header, body, batch),
            TABLE_MAP => self.table_map(body, bind),
            33..=34 | 42 => self.gtid(header, body, batch),
            DOMAIN_GTID => self.domain_gtid(header, body, batch),
            QUERY | EXECUTE_LOAD_QUERY => self.query(header, body, batch),
            XID => {
                self.end(header, batch);
                Ok(())
            }
            ROTATE => self.rotate(header, body, batch),
            FORMAT => self.format(body),
            HEARTBEAT => {
                batch.push(Item::Heartbeat {
                    file: utf8(body)?,
                    position: header.end,
                    end: header.end,
                    timestamp: header.timestamp,
                });
                Ok(())
            }
            HEARTBEAT_2 => self.heartbeat_2(header, body, batch),
            PARTIAL_UPDATE => self.partial_update(header, body),
            38 => self.xa_prepare(header, body, batch),
            PAYLOAD => {
                self.payload = Some(Payload::open(body, header.end)?);
                Ok(())
            }
            3 | 5 | 9 | 11 | 13 | 14 | 17 | 28 | 29 | 35 | 36 | 37 | 160 | 161 | 163 | 164 => Ok(()),
            _ => refused(header),
        }
    }

    fn rotate(&mut self, header: Header, body: &[u8], batch: &mut Batch) -> Result<(), Stop> {
        self.position = little(body.get(..8).ok_or(Malformed("ValueError"))?);
        self.maps.clear();
        batch.push(Item::Rotate {
            file: utf8(&body[8..])?,
            position: self.position,
            end: header.end,
            timestamp: header.timestamp,
        });
        Ok(())
    }

    fn format(&mut self, body: &[u8]) -> Result<(), Stop> {
        if body.len() < 2 || little(&body[..2]) != BINLOG_VERSION {
            return Err(Stop::unsupported(
                "The binlog is of another version than 4.".to_owned(),
                "Upgrade the source to MySQL 5.7 or later.",
            ));
        }
        self.maps.clear();
        // Table ids start anew when the server does.
        self.known.clear();
        Ok(())
    }

    /// Fields of type, length and value: 1 the file, 2 the position; 0 ends them.
    fn heartbeat_2(&mut self, header: Header, body: &[u8], batch: &mut Batch) -> Result<(), Stop> {
        let (mut file, mut position, mut place) = (String::new(), header.end, 0);
        while place < body.len() && body[place] != 0 {
            let kind = body[place];
            place += 1;
            let value = counted(body, &mut place)?;
            match kind {
                1 => file = utf8(value)?,
                2 => position = packed_number(value, &mut 0)?,
                _ => {}
            }
        }
        self.position = position;
        batch.push(Item::Heartbeat { file, position, end: position, timestamp: header.timestamp });
        Ok(())
    }

    // Transactions.

    fn gtid(&mut self, header: Header, body: &[u8], batch: &mut Batch) -> Result<(), Stop> {
        let facts = if header.kind == 42 { gtid::tagged(body)? } else { gtid::plain(body)? };
        let commit = facts.commit_microseconds;
        let begin = header.end.checked_sub(header.size as u64);
        let end = match (facts.length, begin) {
            (0, _) => 0,
            (length, Some(begin)) => begin.checked_add(length).ok_or(Malformed("ValueError"))?,
            (_, None) => return Err(Malformed("ValueError").into()),
        };
        let gtid = if header.kind == 34 { None } else { Some(facts.checked()?) };
        self.begin(header, gtid, commit, end, batch)
    }

    fn domain_gtid(&mut self, header: Header, body: &[u8], batch: &mut Batch) -> Result<(), Stop> {
        let (facts, standalone) = gtid::domain(body, header.server_id)?;
        self.begin(header, Some(facts.checked()?), 0, 0, batch)?;
        self.begun = !standalone;
        Ok(())
    }

    fn begin(
        &mut self,
        header: Header,
        gtid: Option<Facts>,
        commit: u64,
        end: u64,
        batch: &mut Batch,
    ) -> Result<(), Stop> {
        if self.changed {
            return Err(Stop::unsupported(
                format!("A transaction before offset {} of the binlog has no end.", header.end),
                "Start the job again from a checkpoint; if it stays, report it with the server's version.",
            ));
        }
        self.maps.clear();
        self.in_transaction = true;
        self.begun = false;
        batch.begin(header, gtid, commit, end, self.merge);
        Ok(())
    }

    fn end(&mut self, header: Header, batch: &mut Batch) {
        self.maps.clear();
        self.in_transaction = false;
        self.begun = false;
        self.changed = false;
        batch.items.push(Item::End { end: header.end, timestamp: header.timestamp });
    }

    fn query(&mut self, header: Header, body: &[u8], batch: &mut Batch) -> Result<(), Stop> {
        let (database, sql) = query::parse(body, header.kind == EXECUTE_LOAD_QUERY)?;
        let phrase = query::phrase_of(&sql);
        if !self.in_transaction && phrase != Phrase::Commit {
            self.begin(header, None, 0, 0, batch)?;
        }
        match phrase {
            Phrase::Begin => self.begun = true,
            Phrase::Commit | Phrase::XaRollback => self.end(header, batch),
            Phrase::Rollback => {
                self.refuse_rollback(header)?;
                self.end(header, batch);
            }
            Phrase::RollbackTo => self.refuse_rollback(header)?,
            Phrase::XaCommit => {
                return Err(Stop::unsupported(
                    format!(
                        "XA COMMIT before offset {} of the binlog: its rows came with XA PREPARE, earlier.",
                        header.end
                    ),
                    "Jobs cannot follow a server whose applications use XA transactions.",
                ));
            }
            Phrase::Nothing => {}
            Phrase::Other => {
                batch.statement(Item::Statement { database, sql, end: header.end, timestamp: header.timestamp });
                if !self.begun {
                    self.end(header, batch); // DDL commits by itself
                }
            }
        }
        Ok(())
    }

    fn refuse_rollback(&self, header: Header) -> Result<(), Stop> {
        if !self.changed {
            return Ok(());
        }
        Err(Stop::unsupported(
            format!("A ROLLBACK before offset {} of the binlog takes back rows that it logged.", header.end),
            "A transaction mixed tables with and without transactions: convert all tables to InnoDB.",
        ))
    }

    fn xa_prepare(&mut self, header: Header, body: &[u8], batch: &mut Batch) -> Result<(), Stop> {
        // The first byte says: committed in one phase.
        let one_phase = *body.first().ok_or(Malformed("IndexError"))?;
        if self.changed && one_phase == 0 {
            return Err(Stop::unsupported(
                format!("XA PREPARE before offset {} of the binlog: its rows are not committed yet.", header.end),
                "Jobs cannot follow tables that XA transactions change.",
            ));
        }
        self.end(header, batch);
        Ok(())
    }

    // Rows.

    fn table_map(&mut self, body: &[u8], bind: &mut Bind) -> Result<(), Stop> {
        let number = little(body.get(..6).ok_or(Malformed("ValueError"))?);
        let map = body.get(8..).ok_or(Malformed("ValueError"))?;
        if let Some((known, bound)) = self.known.get(&number) {
            if known == map {
                self.maps.insert(number, bound.clone());
                return Ok(());
            }
        }
        let mut place = 0;
        let database = utf8(counted(map, &mut place)?)?;
        take(map, &mut place, 1)?;
        let table = utf8(counted(map, &mut place)?)?;
        let bound = bind(&database, &table, map)?.map(Arc::new);
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        self.known.insert(number, (map.to_vec(), bound.clone()));
        self.maps.insert(number, bound);
        Ok(())
    }

    fn bound(&self, header: Header, body: &[u8]) -> Result<Map, Stop> {
        if body.len() < 10 {
            return Err(Malformed("ValueError").into());
        }
        let number = little(&body[..6]);
        if number == NO_TABLE {
            return Ok(None);
        }
        match self.maps.get(&number) {
            Some(map) if self.in_transaction => Ok(map.clone()),
            _ => Err(Stop::unsupported(
                format!(
                    "A rows event before offset {} of the binlog comes without {}.",
                    header.end,
                    if self.in_transaction { "its table map" } else { "the start of its transaction" }
                ),
                "The stream was started inside a transaction: start the job from a checkpoint.",
            )),
        }
    }

    fn rows(&mut self, header: Header, body: &[u8], batch: &mut Batch) -> Result<(), Stop> {
        let Some(table) = self.bound(header, body)? else { return Ok(()) };
        // Behind table id and flags: data of partitions, its length counting itself.
        let place = 8 + little(&body[8..10]) as usize;
        self.changes(header, table, body, place, batch)
    }

    /// Rows events of the first version, which MariaDB writes: without room for data of partitions.
    fn rows_v1(&mut self, mut header: Header, body: &[u8], batch: &mut Batch) -> Result<(), Stop> {
        let Some(table) = self.bound(header, body)? else { return Ok(()) };
        header.kind += V1_LOWER;
        self.changes(header, table, body, 8, batch)
    }

    fn changes(
        &mut self,
        header: Header,
        table: Arc<Bound>,
        body: &[u8],
        mut place: usize,
        batch: &mut Batch,
    ) -> Result<(), Stop> {
        let Some(shape) = table.shape.clone() else {
            self.changed = true;
            batch.items.push(Item::Unread { table, end: header.end, timestamp: header.timestamp });
            return Ok(());
        };
        check_columns(&table.name, &shape, body, &mut place, if header.kind == UPDATE_ROWS { 2 } else { 1 })?;
        if place < body.len() {
            self.changed = true;
            batch.changes(table, &shape, header, body, place)?;
        }
        Ok(())
    }

    fn partial_update(&mut self, header: Header, body: &[u8]) -> Result<(), Stop> {
        if self.bound(header, body)?.is_none() {
            return Ok(());
        }
        Err(Stop::unsupported(
            format!("The binlog holds an update that logs a part of a JSON value (before offset {}).", header.end),
            "Set binlog_row_value_options='' on the source, also for sessions, and copy the table again.",
        ))
    }
}

/// The column count, then for each image which columns are there: all, or the job stops.
fn check_columns(name: &str, shape: &RowShape, body: &[u8], place: &mut usize, images: usize) -> Result<(), Stop> {
    let fields = shape.fields.len();
    let count = packed_number(body, place)?;
    if count != fields as u64 {
        return Err(Stop::named(
            "SchemaChanged",
            format!("{name}: a rows event has {count} columns, its table map {fields}."),
            "Read the table's schema again.",
        ));
    }
    for _ in 0..images {
        let bitmap = take(body, place, fields.div_ceil(8))?;
        if (0..fields).any(|bit| bitmap[bit / 8] >> (bit % 8) & 1 == 0) {
            return Err(Stop::unsupported(
                format!("{name}: a row image in the binlog does not hold all columns."),
                "Set binlog_row_image=FULL, also for the sessions that set their own, and copy the table again.",
            ));
        }
    }
    Ok(())
}

impl Batch {
    /// Empties it; the room stays.
    pub fn clear(&mut self) {
        self.items.clear();
        self.pairs.bytes.clear();
        self.mergeable = None;
        self.rows.clear();
    }

    /// Something that is no part of a transaction: what follows starts a new group.
    fn push(&mut self, item: Item) {
        self.mergeable = None;
        self.rows.clear();
        self.items.push(item);
    }

    /// A statement: the order of what stands before and behind it is kept.
    fn statement(&mut self, item: Item) {
        self.push(item);
    }

    /// Transactions with GTIDs are put together, and those without that tell where they end: either can be named.
    fn begin(&mut self, header: Header, gtid: Option<Facts>, commit: u64, whole_end: u64, merge: bool) {
        if merge && matches!(self.items.last(), Some(Item::End { .. })) {
            if let Some(Item::Begin { gtids, end, timestamp, commit_microseconds, transaction_end, server_id }) =
                self.mergeable.map(|place| &mut self.items[place])
            {
                if gtids.is_some() == gtid.is_some() && (gtid.is_some() || whole_end > 0) {
                    if let (Some(runs), Some(facts)) = (gtids, gtid) {
                        runs.add(facts);
                    }
                    (*end, *timestamp, *commit_microseconds) = (header.end, header.timestamp, commit);
                    (*transaction_end, *server_id) = (whole_end, header.server_id);
                    self.items.pop();
                    return;
                }
            }
        }
        self.rows.clear();
        self.mergeable = (gtid.is_some() || whole_end > 0).then_some(self.items.len());
        let gtids = gtid.map(|facts| {
            let mut runs = Runs::default();
            runs.add(facts);
            runs
        });
        self.items.push(Item::Begin {
            gtids,
            end: header.end,
            timestamp: header.timestamp,
            commit_microseconds: commit,
            transaction_end: whole_end,
            server_id: header.server_id,
        });
    }

    fn changes(
        &mut self,
        table: Arc<Bound>,
        shape: &RowShape,
        header: Header,
        body: &[u8],
        place: usize,
    ) -> Res<()> {
        let known = self.rows.iter().find(|(other, _)| Arc::ptr_eq(other, &table)).map(|(_, item)| *item);
        let item = known.unwrap_or_else(|| {
            let pairs = Vec::new();
            self.rows.push((table.clone(), self.items.len()));
            self.items.push(Item::Rows { table: table.clone(), pairs, end: 0, timestamp: 0 });
            self.items.len() - 1
        });
        let Item::Rows { pairs, end, timestamp, .. } = &mut self.items[item] else {
            return Err(Malformed("IndexError"));
        };
        (*end, *timestamp) = (header.end, header.timestamp);
        shape.changes(header.kind, body, place, &mut self.pairs, pairs)
    }
}

fn refused(header: Header) -> Result<(), Stop> {
    let (what, hint) = match header.kind {
        20..=22 => ("a rows event of an old version", "Upgrade the source to MySQL 5.7 or later."),
        26 => ("INCIDENT: the source lost events", "The binlog has a gap: copy all tables again with a new job."),
        165..=171 => ("a compressed event", "Set log_bin_compress=OFF on the source."),
        _ if header.flags & IGNORABLE != 0 => return Ok(()),
        kind => {
            return Err(Stop::unsupported(
                format!("The binlog holds an event of type {kind}, which is not known (before offset {}).", header.end),
                "Ask for support of this server version.",
            ));
        }
    };
    Err(Stop::unsupported(format!("The binlog holds {what} (before offset {}).", header.end), hint))
}

fn utf8(raw: &[u8]) -> Res<String> {
    Ok(crate::json_text::utf8(raw)?.to_owned())
}

fn verified(packet: &[u8]) -> bool {
    let split = packet.len().saturating_sub(CHECKSUM_BYTES);
    u64::from(crc32fast::hash(&packet[..split])) == little(&packet[split..])
}

/// The offset that a header's 32 bits stand for in a file that may be larger than 4 GiB; 0 stands for none.
fn widened(low: u64, last: u64) -> u64 {
    if low == 0 {
        return last;
    }
    let wide = last & !0xFFFF_FFFF | low;
    if wide + (1 << 31) < last { wide + (1 << 32) } else { wide }
}
