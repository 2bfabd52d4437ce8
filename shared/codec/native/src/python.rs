//! The face to Python: field specifications in, lists of (key, value) and events out.

use std::sync::Arc;

use hmac::{Hmac, KeyInit};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyIterator, PyList, PyTuple};

use crate::charsets::{Charset, Table};
use crate::decimal_bytes;
use crate::events::{Batch, Bound, Decoder, Item, Stop};
use crate::fault::{little, Malformed};
use crate::fields::{BytesStyle, DateStyle, Field, Format, Layout};
use crate::mariadb::Address;
use crate::packets::{signal, Buffer, Signal};
use crate::rows::{KeyMember, Pair, Pairs, RowShape, ValueMember};

fn wrong(what: &str) -> PyErr {
    PyValueError::new_err(format!("no such field specification: {what}"))
}

fn malformed(Malformed(why): Malformed) -> PyErr {
    PyValueError::new_err(why)
}

/// A character set.
#[pyclass(frozen, name = "Charset")]
struct PyCharset(Arc<Charset>);

#[pymethods]
impl PyCharset {
    /// `kind` is utf8, ucs2, utf16, utf16le, utf32, table or gb18030; the last two with their codes.
    #[new]
    fn new(kind: &str, codes: Vec<(Vec<u8>, String)>) -> PyResult<PyCharset> {
        Ok(PyCharset(Arc::new(match kind {
            "utf8" => Charset::Utf8,
            "ucs2" => Charset::Ucs2,
            "utf16" => Charset::Utf16 { little: false },
            "utf16le" => Charset::Utf16 { little: true },
            "utf32" => Charset::Utf32,
            "table" => Charset::Table(Box::new(Table::new(codes, false))),
            "gb18030" => Charset::Table(Box::new(Table::new(codes, true))),
            _ => return Err(wrong(kind)),
        })))
    }
}

/// How rows of one table are read and written.
#[pyclass(frozen, name = "RowShape")]
struct PyRowShape(Arc<RowShape>);

#[pymethods]
impl PyRowShape {
    /// `fields` in the order in which they come; `key` and `value` name members and the places of their fields.
    #[new]
    fn new(
        fields: Vec<Bound_<'_, PyDict>>,
        key: Vec<KeyMember>,
        value: Vec<ValueMember>,
    ) -> PyResult<PyRowShape> {
        let fields = fields.iter().map(field).collect::<PyResult<Vec<_>>>()?;
        let places = key.iter().map(|(_, place)| *place).chain(value.iter().filter_map(|(_, place, _)| *place));
        if places.max().is_some_and(|last| last >= fields.len()) {
            return Err(wrong("a member without a field"));
        }
        Ok(PyRowShape(Arc::new(RowShape { fields, key, value })))
    }
}

type Bound_<'py, T> = pyo3::Bound<'py, T>;

fn get<'py, T: for<'a> FromPyObject<'a, 'py>>(spec: &Bound_<'py, PyDict>, name: &str) -> PyResult<T> {
    let item = spec.get_item(name)?.ok_or_else(|| wrong(name))?;
    item.extract().map_err(|_| wrong(name))
}

fn field(spec: &Bound_<'_, PyDict>) -> PyResult<Field> {
    let size: usize = get(spec, "size")?;
    let layout = match get::<String>(spec, "layout")?.as_str() {
        "fixed" => Layout::Fixed(size),
        "prefixed" if size <= 4 => Layout::Prefixed(size),
        "counted" => Layout::Counted,
        "measured" => Layout::Measured,
        other => return Err(wrong(other)),
    };
    let format = match format_of(spec)? {
        plain if spec.get_item("compressed")?.is_none() => plain,
        plain @ (Format::Text { .. } | Format::Bytes { .. }) => Format::Compressed(Box::new(plain)),
        _ => return Err(wrong("compressed")),
    };
    if !fits(layout, &format) {
        return Err(wrong("a layout that its format cannot read"));
    }
    Ok(Field { layout, format: hashed(spec, format)? })
}

/// The format, or its hash where there is a key for one.
fn hashed(spec: &Bound_<'_, PyDict>, value: Format) -> PyResult<Format> {
    let Some(key) = spec.get_item("hash_key")? else { return Ok(value) };
    let key: Vec<u8> = key.extract().map_err(|_| wrong("hash_key"))?;
    let keyed = Hmac::new_from_slice(&key).map_err(|_| wrong("hash_key"))?;
    Ok(Format::Hashed { value: Box::new(value), keyed: Box::new(keyed) })
}

/// Formats of fixed width index into their bytes, so the width is checked here, once.
fn fits(layout: Layout, format: &Format) -> bool {
    let fixed = |low, high| matches!(layout, Layout::Fixed(size) if (low..=high).contains(&size));
    let stored = |style: &DateStyle, whole: usize| {
        let fraction = crate::temporal::fraction_width(style.digits);
        style.digits <= 6 && if style.stored { fixed(whole + fraction, whole + fraction) } else { layout == Layout::Measured }
    };
    match format {
        Format::Signed | Format::Unsigned | Format::SetBits { .. } => fixed(1, 8),
        Format::EnumIndex(_) => fixed(1, 2),
        Format::Boolean { .. } | Format::StoredYear => fixed(1, 1),
        Format::Float => fixed(4, 4),
        Format::Double => fixed(8, 8),
        Format::StoredDecimal { shape, .. } => fixed(shape.width, shape.width),
        Format::Date(style) if style.stored => fixed(3, 3),
        Format::Date(_) => layout == Layout::Measured,
        Format::Datetime(style) => stored(style, 5),
        Format::Timestamp(style) => stored(style, 4),
        Format::Time { digits, stored: true } => {
            let width = 3 + crate::temporal::fraction_width(*digits);
            *digits <= 6 && fixed(width, width)
        }
        Format::Time { digits, stored: false } => *digits <= 6 && layout == Layout::Measured,
        _ => true,
    }
}

fn format_of(spec: &Bound_<'_, PyDict>) -> PyResult<Format> {
    Ok(match get::<String>(spec, "format")?.as_str() {
        "skipped" => Format::Skipped,
        "signed" => Format::Signed,
        "unsigned" => Format::Unsigned,
        "boolean" => Format::Boolean { signed: get(spec, "signed")? },
        "stored_year" => Format::StoredYear,
        "float" => Format::Float,
        "double" => Format::Double,
        "stored_decimal" => Format::StoredDecimal {
            shape: decimal_bytes::Shape::new(get(spec, "precision")?, get(spec, "scale")?).map_err(malformed)?,
            plainly: get(spec, "plainly")?,
        },
        "sent_decimal" => Format::SentDecimal { plainly: get(spec, "plainly")?, rewritten: get(spec, "rewritten")? },
        "date" => Format::Date(style(spec)?),
        "datetime" => Format::Datetime(style(spec)?),
        "timestamp" => Format::Timestamp(style(spec)?),
        "time" => Format::Time { digits: get(spec, "digits")?, stored: get(spec, "stored")? },
        "text" => {
            let charset: Py<PyCharset> = get(spec, "charset")?;
            Format::Text { charset: charset.get().0.clone(), trimmed: get(spec, "trimmed")? }
        }
        "enum_index" => Format::EnumIndex(get(spec, "labels")?),
        "set_bits" => Format::SetBits { labels: get(spec, "labels")?, joined: get(spec, "joined")? },
        "bytes" => Format::Bytes {
            style: if get(spec, "hex")? { BytesStyle::Hex } else { BytesStyle::Base64 },
            padded: get(spec, "padded")?,
        },
        "one_bit" => Format::OneBit,
        "stored_json" => Format::StoredJson { bare: get(spec, "bare")? },
        "sent_json" => Format::SentJson { bare: get(spec, "bare")? },
        "geometry" => Format::Geometry,
        "vector" => Format::Vector,
        "uuid" => Format::Address(Address::Uuid),
        "inet4" => Format::Address(Address::Inet4),
        "inet6" => Format::Address(Address::Inet6),
        other => return Err(wrong(other)),
    })
}

fn style(spec: &Bound_<'_, PyDict>) -> PyResult<DateStyle> {
    Ok(DateStyle {
        digits: get(spec, "digits")?,
        stored: get(spec, "stored")?,
        separator: get(spec, "separator")?,
        suffix: get(spec, "suffix")?,
        in_key: get(spec, "in_key")?,
    })
}

/// The length of a value that is none: a tombstone.
const NONE: u64 = u64::MAX;
/// Two lengths of 64 bits for each change.
const LENGTHS_BYTES: usize = 16;

/// Keys and values of one table as one piece of memory. A sequence of (key, value), whose objects are made when
/// somebody looks at them; who only hands them on takes `packed`.
#[pyclass(frozen, sequence, name = "Changes")]
struct PyChanges {
    data: Py<PyBytes>,
    lengths: Py<PyBytes>,
    pairs: PyOnceLock<Py<PyList>>,
}

impl PyChanges {
    fn new(py: Python<'_>, bytes: &[u8], pairs: &[Pair]) -> PyResult<PyChanges> {
        let lengths = PyBytes::new_with(py, pairs.len() * LENGTHS_BYTES, |out| {
            for (pair, place) in pairs.iter().zip(out.chunks_exact_mut(LENGTHS_BYTES)) {
                place[..8].copy_from_slice(&(pair.key as u64).to_le_bytes());
                place[8..].copy_from_slice(&pair.value.map_or(NONE, |size| size as u64).to_le_bytes());
            }
            Ok(())
        })?;
        Ok(PyChanges { data: data(py, bytes, pairs)?.unbind(), lengths: lengths.unbind(), pairs: PyOnceLock::new() })
    }

    fn list<'py>(&self, py: Python<'py>) -> PyResult<&Bound_<'py, PyList>> {
        Ok(self.pairs.get_or_try_init(py, || self.made(py))?.bind(py))
    }

    fn made(&self, py: Python<'_>) -> PyResult<Py<PyList>> {
        let mut rest = self.data.as_bytes(py);
        let mut next = |size: u64| {
            let (taken, behind) = rest.split_at(size as usize);
            rest = behind;
            PyBytes::new(py, taken).into_any()
        };
        let made = self.lengths.as_bytes(py).chunks_exact(LENGTHS_BYTES).map(|lengths| {
            let key = next(little(&lengths[..8]));
            let value = match little(&lengths[8..]) {
                NONE => py.None().into_bound(py),
                size => next(size),
            };
            PyTuple::new(py, [key, value])
        });
        Ok(PyList::new(py, made.collect::<PyResult<Vec<_>>>()?)?.unbind())
    }
}

#[pymethods]
impl PyChanges {
    /// All keys and values, one behind the other; and of each change the lengths of its key and of its value.
    #[getter]
    fn packed(&self, py: Python<'_>) -> (Py<PyBytes>, Py<PyBytes>) {
        (self.data.clone_ref(py), self.lengths.clone_ref(py))
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.lengths.as_bytes(py).len() / LENGTHS_BYTES
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound_<'py, PyIterator>> {
        self.list(py)?.try_iter()
    }

    fn __getitem__<'py>(&self, py: Python<'py>, place: Bound_<'py, PyAny>) -> PyResult<Bound_<'py, PyAny>> {
        self.list(py)?.as_any().get_item(place)
    }

    fn __eq__<'py>(&self, py: Python<'py>, other: Bound_<'py, PyAny>) -> PyResult<bool> {
        match other.cast::<PyChanges>() {
            Ok(changes) => self.list(py)?.eq(changes.get().list(py)?),
            Err(_) => self.list(py)?.eq(other),
        }
    }

    /// Says nothing of what is in them.
    fn __repr__(&self, py: Python<'_>) -> String {
        format!("<{} changes>", self.__len__(py))
    }
}

/// The bytes of the pairs, without what lies between them.
fn data<'py>(py: Python<'py>, bytes: &[u8], pairs: &[Pair]) -> PyResult<Bound_<'py, PyBytes>> {
    let size = size_of(pairs);
    let begin = pairs.first().map_or(0, |pair| pair.start);
    if pairs.last().map_or(0, |pair| pair.end()) - begin == size {
        return Ok(PyBytes::new(py, &bytes[begin..begin + size]));
    }
    PyBytes::new_with(py, size, |mut out| {
        for pair in pairs {
            let one = &bytes[pair.start..pair.end()];
            let (place, behind) = std::mem::take(&mut out).split_at_mut(one.len());
            place.copy_from_slice(one);
            out = behind;
        }
        Ok(())
    })
}

/// The bytes of all keys and values.
fn size_of(pairs: &[Pair]) -> usize {
    pairs.iter().map(|pair| pair.key + pair.value.unwrap_or(0)).sum()
}

/// Rows of one result set in the binary protocol, from the raw packets behind its column definitions.
#[pyclass]
struct RowDecoder {
    shape: Arc<RowShape>,
    buffer: Buffer,
    pairs: Pairs,
    #[pyo3(get)]
    ended: bool,
    #[pyo3(get)]
    refusal: Option<(u16, String)>,
    #[pyo3(get)]
    size: usize,
}

#[pymethods]
impl RowDecoder {
    #[new]
    fn new(shape: Py<PyRowShape>) -> RowDecoder {
        RowDecoder {
            shape: shape.get().0.clone(),
            buffer: Buffer::default(),
            pairs: Pairs::default(),
            ended: false,
            refusal: None,
            size: 0,
        }
    }

    /// The (key, value) pairs of the rows that are whole. Raises ValueError for a row that cannot be decoded.
    fn feed(&mut self, py: Python<'_>, data: &[u8]) -> PyResult<PyChanges> {
        let mut found = Vec::new();
        py.detach(|| self.decode(data, &mut found)).map_err(malformed)?;
        self.size += size_of(&found);
        PyChanges::new(py, &self.pairs.bytes, &found)
    }
}

impl RowDecoder {
    fn decode(&mut self, data: &[u8], found: &mut Vec<Pair>) -> Result<(), Malformed> {
        self.pairs.bytes.clear();
        self.buffer.add(data);
        while !self.ended && self.refusal.is_none() {
            let Some(packet) = self.buffer.next() else { break };
            match signal(&packet) {
                Some(Signal::End) => self.ended = true,
                Some(Signal::Refusal(number, text)) => self.refusal = Some((number, text)),
                None if packet.first() == Some(&0) => found.push(self.shape.sent_row(&packet, &mut self.pairs)?),
                None => return Err(Malformed("ValueError")),
            }
        }
        Ok(())
    }
}

/// The events of one binlog connection, from its raw packets.
///
/// `bind(database, table, body)` gives the table's face and its RowShape, or None for a table that is not wanted.
/// `make` makes events: for each kind a callable. `fail(name, message, hint)` makes an error.
#[pyclass]
struct StreamDecoder {
    decoder: Decoder,
    batch: Batch,
    bind: Py<PyAny>,
    fail: Py<PyAny>,
    make: [Py<PyAny>; 7],
    stopped: Option<PyErr>,
}

#[pymethods]
impl StreamDecoder {
    #[new]
    fn new(bind: Py<PyAny>, make: [Py<PyAny>; 7], fail: Py<PyAny>) -> StreamDecoder {
        StreamDecoder { decoder: Decoder::default(), batch: Batch::default(), bind, fail, make, stopped: None }
    }

    #[getter]
    fn ended(&self) -> bool {
        self.decoder.ended
    }

    #[getter]
    fn refusal(&self) -> Option<(u16, String)> {
        self.decoder.refusal.clone()
    }

    /// True when a call without data would give more.
    #[getter]
    fn more(&self) -> bool {
        self.decoder.more || self.stopped.is_some()
    }

    /// The events in what has arrived. An error comes after the events before it, with the next call if need be.
    #[pyo3(signature = (data, *, merge = false))]
    fn feed<'py>(&mut self, py: Python<'py>, data: &[u8], merge: bool) -> PyResult<Bound_<'py, PyList>> {
        if let Some(error) = &self.stopped {
            return Err(error.clone_ref(py));
        }
        let StreamDecoder { decoder, batch, bind, .. } = self;
        batch.clear();
        let mut ask = |database: &str, table: &str, body: &[u8]| ask(bind, database, table, body);
        let result = py.detach(|| decoder.feed(data, merge, &mut ask, batch));
        let events = self.events(py)?;
        if let Err(stop) = result {
            let error = self.error(py, stop)?;
            self.stopped = Some(error.clone_ref(py));
            if events.is_empty() {
                return Err(error);
            }
        }
        Ok(events)
    }
}

fn ask(bind: &Py<PyAny>, database: &str, table: &str, body: &[u8]) -> Result<Option<Bound>, Stop> {
    Python::attach(|py| {
        let found = bind.bind(py).call1((database, table, PyBytes::new(py, body)))?;
        if found.is_none() {
            return Ok(None);
        }
        let (face, shape): (Py<PyAny>, Option<Py<PyRowShape>>) = found.extract()?;
        let shape = shape.map(|shape| shape.get().0.clone());
        Ok(Some(Bound { table: face, name: format!("{database}.{table}"), shape }))
    })
    .map_err(Stop::Raised)
}

impl StreamDecoder {
    fn error(&self, py: Python<'_>, stop: Stop) -> PyResult<PyErr> {
        match stop {
            Stop::Raised(error) => Ok(error),
            Stop::Named(name, message, hint) => {
                Ok(PyErr::from_value(self.fail.bind(py).call1((name, message, hint))?))
            }
            Stop::Malformed(Malformed(why)) => Ok(PyRuntimeError::new_err(why)),
        }
    }

    fn events<'py>(&mut self, py: Python<'py>) -> PyResult<Bound_<'py, PyList>> {
        let Batch { items, pairs, .. } = &self.batch;
        let [begin, rows, end_, statement, rotate, heartbeat, unread] = &self.make;
        let made = PyList::empty(py);
        for item in items {
            made.append(match item {
                Item::Begin { gtids, end, timestamp, commit_microseconds, transaction_end, server_id } => {
                    let name = gtids.as_ref().map(|runs| runs.text());
                    begin.bind(py).call1((name, *end, *timestamp, *commit_microseconds, *transaction_end, *server_id))
                }
                Item::Rows { table, pairs: found, end, timestamp } => {
                    let changes = PyChanges::new(py, &pairs.bytes, found)?;
                    rows.bind(py).call1((table.table.bind(py), changes, *timestamp, *end, size_of(found)))
                }
                Item::Unread { table, end, timestamp } => {
                    unread.bind(py).call1((table.table.bind(py), *timestamp, *end))
                }
                Item::End { end, timestamp } => end_.bind(py).call1((*timestamp, *end)),
                Item::Statement { database, sql, end, timestamp } => {
                    statement.bind(py).call1((database, sql, *timestamp, *end))
                }
                Item::Rotate { file, position, end, timestamp } => {
                    rotate.bind(py).call1((file, *position, *timestamp, *end))
                }
                Item::Heartbeat { file, position, end, timestamp } => {
                    heartbeat.bind(py).call1((file, *position, *timestamp, *end))
                }
            }?)?;
        }
        Ok(made)
    }
}

#[pymodule]
mod _core {
    #[pymodule_export]
    use super::{PyChanges, PyCharset, PyRowShape, RowDecoder, StreamDecoder};
}
