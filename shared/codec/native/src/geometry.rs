//! GEOMETRY as GeoJSON-like text; `reference/geometry.py` tells the form.

use crate::fault::{take, Malformed, Res};
use crate::json_text;

const NAMES: [&str; 8] = [
    "", "Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon", "GeometryCollection",
];
const POINT: u32 = 1;
const LINE: u32 = 2;
const COLLECTION: u32 = 7;
const DEPTH_MAX: usize = 100;
const SRID_BYTES: usize = 4;

/// Appends the text of a stored geometry, which holds no character that a JSON string would escape but quotes.
pub fn text(out: &mut Vec<u8>, stored: &[u8]) -> Res<()> {
    let mut reader = Wkb { data: stored, place: SRID_BYTES };
    let srid = stored.get(..SRID_BYTES).ok_or(Malformed("ValueError"))?;
    let code = reader.geometry(out, 0, Shell::Outermost)?;
    if reader.place != stored.len() {
        return Err(Malformed("ValueError"));
    }
    out.extend_from_slice(b",\"type\":\"");
    out.extend_from_slice(NAMES[code as usize].as_bytes());
    out.extend_from_slice(b"\",\"srid\":");
    json_text::unsigned(out, crate::fault::little(srid));
    out.push(b'}');
    Ok(())
}

/// What stands around a geometry's coordinates.
#[derive(Clone, Copy, PartialEq)]
enum Shell {
    Outermost,
    Member,
    Bare,
}

/// A reader of WKB; every geometry states its own byte order.
struct Wkb<'a> {
    data: &'a [u8],
    place: usize,
}

impl Wkb<'_> {
    fn geometry(&mut self, out: &mut Vec<u8>, depth: usize, shell: Shell) -> Res<u32> {
        if depth > DEPTH_MAX {
            return Err(Malformed("ValueError"));
        }
        let little = take(self.data, &mut self.place, 1)?[0] != 0;
        let code = self.number(little)?;
        if !(POINT..=COLLECTION).contains(&code) {
            return Err(Malformed("ValueError"));
        }
        let member = if code == COLLECTION { "geometries" } else { "coordinates" };
        match shell {
            Shell::Outermost => out.extend_from_slice(format!("{{\"{member}\":").as_bytes()),
            Shell::Member => {
                out.extend_from_slice(format!("{{\"type\":\"{}\",\"{member}\":", NAMES[code as usize]).as_bytes());
            }
            Shell::Bare => {}
        }
        self.body(out, code, little, depth)?;
        if shell == Shell::Member {
            out.push(b'}');
        }
        Ok(code)
    }

    fn body(&mut self, out: &mut Vec<u8>, code: u32, little: bool, depth: usize) -> Res<()> {
        match code {
            POINT => self.point(out, little),
            LINE => self.line(out, little),
            3 => self.list(out, little, |reader, out| reader.line(out, little)),
            COLLECTION => self.list(out, little, |reader, out| {
                reader.geometry(out, depth + 1, Shell::Member).map(|_| ())
            }),
            _ => self.list(out, little, |reader, out| reader.geometry(out, depth + 1, Shell::Bare).map(|_| ())),
        }
    }

    fn list(
        &mut self,
        out: &mut Vec<u8>,
        little: bool,
        mut part: impl FnMut(&mut Self, &mut Vec<u8>) -> Res<()>,
    ) -> Res<()> {
        let count = self.count(little)?;
        out.push(b'[');
        for number in 0..count {
            if number > 0 {
                out.push(b',');
            }
            part(self, out)?;
        }
        out.push(b']');
        Ok(())
    }

    fn line(&mut self, out: &mut Vec<u8>, little: bool) -> Res<()> {
        self.list(out, little, |reader, out| reader.point(out, little))
    }

    fn point(&mut self, out: &mut Vec<u8>, little: bool) -> Res<()> {
        out.push(b'[');
        self.coordinate(out, little)?;
        out.push(b',');
        self.coordinate(out, little)?;
        out.push(b']');
        Ok(())
    }

    fn coordinate(&mut self, out: &mut Vec<u8>, little: bool) -> Res<()> {
        let raw: [u8; 8] = take(self.data, &mut self.place, 8)?.try_into().expect("eight bytes");
        let value = if little { f64::from_le_bytes(raw) } else { f64::from_be_bytes(raw) };
        if value.is_finite() {
            json_text::double(out, value);
        } else {
            // Never stored by MySQL; spelled as the reference spells it.
            out.extend_from_slice(if value.is_nan() {
                b"nan"
            } else if value > 0.0 {
                b"inf"
            } else {
                b"-inf"
            });
        }
        Ok(())
    }

    /// A count of parts, each of which takes at least four bytes.
    fn count(&mut self, little: bool) -> Res<u32> {
        let count = self.number(little)?;
        if count as usize * 4 > self.data.len() - self.place {
            return Err(Malformed("ValueError"));
        }
        Ok(count)
    }

    fn number(&mut self, little: bool) -> Res<u32> {
        let raw: [u8; 4] = take(self.data, &mut self.place, 4)?.try_into().expect("four bytes");
        Ok(if little { u32::from_le_bytes(raw) } else { u32::from_be_bytes(raw) })
    }
}
