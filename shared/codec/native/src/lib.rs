//! headrace's native codec: the hot loops of `shared.codec`, with the Python reference as their law.
//!
//! Pure: bytes in, bytes out; no I/O, no clock, no threads. It knows nothing of schemas: the Python side compares
//! tables and tells it field by field what to do. Bytes are never trusted: every length is checked, no loop runs
//! longer than its input, and what cannot be decoded exactly is an error.

mod charsets;
mod decimal_bytes;
mod events;
mod fault;
mod fields;
mod geometry;
mod gtid;
mod json_text;
mod jsonb;
mod mariadb;
mod packets;
mod payload;
mod python;
mod query;
mod rows;
mod temporal;
