//! Rows of one table: where each value stands, and the key and value that they become.

use crate::fault::{Malformed, Res};
use crate::fields::Field;

/// A member of a key: `"name":` and the place of its field.
pub type KeyMember = (Vec<u8>, usize);
/// A member of a value; without a field, the whole member, which is the same in every row. Some are left out where they are null.
pub type ValueMember = (Vec<u8>, Option<usize>, bool);

/// How rows of one table are read and written.
pub struct RowShape {
    /// In the order in which they come.
    pub fields: Vec<Field>,
    pub key: Vec<KeyMember>,
    pub value: Vec<ValueMember>,
}

/// Where each field's bytes are; `NULL` for those that are null.
pub type Image = Vec<(usize, usize)>;

const NULL: (usize, usize) = (usize::MAX, 0);

/// Key and value of one row inside `Pairs::bytes`; a tombstone has no value.
#[derive(Debug, Clone, Copy)]
pub struct Pair {
    pub start: usize,
    pub key: usize,
    pub value: Option<usize>,
}

impl Pair {
    pub fn end(&self) -> usize {
        self.start + self.key + self.value.unwrap_or(0)
    }
}

/// Room that is used again and again.
#[derive(Default)]
pub struct Pairs {
    pub bytes: Vec<u8>,
    scratch: Vec<u8>,
    old: Image,
    new: Image,
}

pub const WRITE_ROWS: u8 = 30;
pub const UPDATE_ROWS: u8 = 31;
pub const DELETE_ROWS: u8 = 32;

impl RowShape {
    /// Reads one row: the bitmap of its NULLs begins at `place`, whose first `skipped` bits mean nothing.
    fn image(&self, data: &[u8], place: &mut usize, skipped: usize, image: &mut Image) -> Res<()> {
        let bitmap = *place;
        *place += (self.fields.len() + skipped + 7) / 8;
        if *place > data.len() {
            return Err(Malformed("ValueError"));
        }
        image.clear();
        for (number, field) in self.fields.iter().enumerate() {
            let bit = number + skipped;
            if data[bitmap + bit / 8] >> (bit % 8) & 1 == 1 {
                image.push(NULL);
                continue;
            }
            let value = field.layout.take(data, place)?;
            image.push((*place - value.len(), value.len()));
        }
        Ok(())
    }

    fn write_key(&self, pairs: &mut Pairs, data: &[u8], image: &Image) -> Res<()> {
        let mut separator = b'{';
        for (name, field) in &self.key {
            let (start, size) = image[*field];
            if (start, size) == NULL {
                return Err(Malformed("ValueError"));
            }
            pairs.bytes.push(separator);
            pairs.bytes.extend_from_slice(name);
            self.fields[*field].format.write(&mut pairs.bytes, &data[start..start + size], &mut pairs.scratch)?;
            separator = b',';
        }
        pairs.bytes.push(b'}');
        Ok(())
    }

    fn write_value(&self, pairs: &mut Pairs, data: &[u8], image: &Image) -> Res<()> {
        let out = &mut pairs.bytes;
        out.push(b'{');
        let begin = out.len();
        for (name, field, sparse) in &self.value {
            let before = out.len();
            if before > begin {
                out.push(b',');
            }
            out.extend_from_slice(name);
            let Some(field) = *field else { continue };
            let text = out.len();
            let (start, size) = image[field];
            if (start, size) == NULL {
                out.extend_from_slice(b"null");
            } else {
                self.fields[field].format.write(out, &data[start..start + size], &mut pairs.scratch)?;
            }
            if *sparse && &out[text..] == b"null" {
                out.truncate(before);
            }
        }
        out.push(b'}');
        Ok(())
    }

    fn upsert(&self, pairs: &mut Pairs, data: &[u8], image: &Image) -> Res<Pair> {
        let start = pairs.bytes.len();
        self.write_key(pairs, data, image)?;
        let key = pairs.bytes.len() - start;
        self.write_value(pairs, data, image)?;
        Ok(Pair { start, key, value: Some(pairs.bytes.len() - start - key) })
    }

    fn tombstone(&self, pairs: &mut Pairs, data: &[u8], image: &Image) -> Res<Pair> {
        let start = pairs.bytes.len();
        self.write_key(pairs, data, image)?;
        Ok(Pair { start, key: pairs.bytes.len() - start, value: None })
    }

    /// A row of a result set in the binary protocol; `packet` begins with its zero byte.
    pub fn sent_row(&self, packet: &[u8], pairs: &mut Pairs) -> Res<Pair> {
        let mut image = std::mem::take(&mut pairs.new);
        let mut place = 1;
        let result = self.image(packet, &mut place, 2, &mut image).and_then(|()| {
            if place != packet.len() {
                return Err(Malformed("ValueError"));
            }
            self.upsert(pairs, packet, &image)
        });
        pairs.new = image;
        result
    }

    /// The changes of a rows event, whose first image begins at `place`.
    pub fn changes(&self, kind: u8, data: &[u8], mut place: usize, pairs: &mut Pairs, out: &mut Vec<Pair>) -> Res<()> {
        let mut old = std::mem::take(&mut pairs.old);
        let mut new = std::mem::take(&mut pairs.new);
        let mut result = Ok(());
        while place < data.len() && result.is_ok() {
            result = self.change(kind, data, &mut place, pairs, out, (&mut old, &mut new));
        }
        pairs.old = old;
        pairs.new = new;
        result
    }

    fn change(
        &self,
        kind: u8,
        data: &[u8],
        place: &mut usize,
        pairs: &mut Pairs,
        out: &mut Vec<Pair>,
        (old, new): (&mut Image, &mut Image),
    ) -> Res<()> {
        self.image(data, place, 0, new)?;
        match kind {
            WRITE_ROWS => out.push(self.upsert(pairs, data, new)?),
            DELETE_ROWS => out.push(self.tombstone(pairs, data, new)?),
            _ => {
                std::mem::swap(old, new);
                self.image(data, place, 0, new)?;
                self.update(data, pairs, out, old, new)?;
            }
        }
        Ok(())
    }

    /// An upsert, and before it the tombstone of the old key if the key changed.
    fn update(&self, data: &[u8], pairs: &mut Pairs, out: &mut Vec<Pair>, old: &Image, new: &Image) -> Res<()> {
        let bytes = |image: &Image, field: usize| {
            let (start, size) = image[field];
            if (start, size) == NULL { None } else { Some(&data[start..start + size]) }
        };
        if self.key.iter().all(|(_, field)| bytes(old, *field) == bytes(new, *field)) {
            out.push(self.upsert(pairs, data, new)?);
            return Ok(());
        }
        let tombstone = self.tombstone(pairs, data, old)?;
        let upsert = self.upsert(pairs, data, new)?;
        let key = |pair: &Pair| pair.start..pair.start + pair.key;
        if pairs.bytes[key(&tombstone)] != pairs.bytes[key(&upsert)] {
            out.push(tombstone);
        }
        out.push(upsert);
        Ok(())
    }
}
