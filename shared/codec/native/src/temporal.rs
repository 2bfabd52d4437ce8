//! Temporal values of row images and of the binary protocol, as `reference/temporal.py` spells them.

use crate::fault::{big, little, Malformed, Res};

const SECONDS_OF_DAY: u64 = 86_400;
const DATETIME_ZERO: u64 = 1 << 39;

/// A date and a clock as stored; nothing is checked that MySQL does not check.
#[derive(Default, Clone, Copy)]
pub struct Moment {
    pub year: u64,
    pub month: u64,
    pub day: u64,
    pub hour: u64,
    pub minute: u64,
    pub second: u64,
    /// In units of the declared fraction.
    pub fraction: u64,
}

impl Moment {
    /// A month or a day of zero: no date for the world outside of MySQL.
    pub fn is_zero_date(&self) -> bool {
        self.month == 0 || self.day == 0
    }

    pub fn write_date(&self, out: &mut Vec<u8>) {
        padded(out, self.year, 4);
        out.push(b'-');
        two(out, self.month);
        out.push(b'-');
        two(out, self.day);
    }

    /// The clock with exactly `digits` places of fraction.
    pub fn write_clock(&self, out: &mut Vec<u8>, digits: usize) {
        two(out, self.hour);
        out.push(b':');
        two(out, self.minute);
        out.push(b':');
        two(out, self.second);
        if digits > 0 {
            out.push(b'.');
            padded(out, self.fraction, digits);
        }
    }
}

/// At least `width` digits.
pub fn padded(out: &mut Vec<u8>, value: u64, width: usize) {
    let mut buffer = itoa::Buffer::new();
    let text = buffer.format(value).as_bytes();
    out.resize(out.len() + width.saturating_sub(text.len()), b'0');
    out.extend_from_slice(text);
}

fn two(out: &mut Vec<u8>, value: u64) {
    if value < 100 {
        out.extend_from_slice(&[b'0' + (value / 10) as u8, b'0' + (value % 10) as u8]);
    } else {
        padded(out, value, 2);
    }
}

/// Bytes that a fraction of so many digits takes in a row image.
pub fn fraction_width(digits: usize) -> usize {
    digits.div_ceil(2)
}

/// One byte holds two digits, so an odd number of digits is stored with a zero behind it.
fn fraction(raw: &[u8], digits: usize) -> u64 {
    big(raw) / if digits % 2 == 1 { 10 } else { 1 }
}

/// DATE of a row image: 5 bits day, 4 bits month, the rest year.
pub fn stored_date(raw: &[u8]) -> Moment {
    let packed = little(raw);
    Moment { year: packed >> 9, month: packed >> 5 & 15, day: packed & 31, ..Moment::default() }
}

/// DATETIME of a row image: 5 bytes big-endian, then the fraction.
pub fn stored_datetime(raw: &[u8], digits: usize) -> Res<Moment> {
    let packed = big(&raw[..5]).checked_sub(DATETIME_ZERO).ok_or(Malformed("ValueError"))?;
    let days = packed >> 17;
    Ok(Moment {
        year: (days >> 5) / 13,
        month: (days >> 5) % 13,
        day: days & 31,
        hour: packed >> 12 & 31,
        minute: packed >> 6 & 63,
        second: packed & 63,
        fraction: fraction(&raw[5..], digits),
    })
}

/// TIMESTAMP of a row image: seconds since 1970, then the fraction; no second is the zero date.
pub fn stored_timestamp(raw: &[u8], digits: usize) -> Moment {
    let seconds = big(&raw[..4]);
    let fraction = fraction(&raw[4..], digits);
    if seconds == 0 {
        return Moment { fraction, ..Moment::default() };
    }
    let (year, month, day) = civil(seconds / SECONDS_OF_DAY);
    let second = seconds % SECONDS_OF_DAY;
    Moment { year, month, day, hour: second / 3600, minute: second / 60 % 60, second: second % 60, fraction }
}

/// Year, month and day of a day since 1970, in the Gregorian calendar.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted_month + 2) / 5 + 1)
}

/// TIME of a row image: 3 bytes and the fraction are one big-endian number around its zero.
pub fn stored_time(raw: &[u8], digits: usize) -> (bool, Moment) {
    let width = 8 * fraction_width(digits);
    let packed = big(raw) as i64 - (1i64 << (23 + width));
    let size = packed.unsigned_abs();
    let clock = size >> width;
    let unit = if digits % 2 == 1 { 10 } else { 1 };
    let moment = Moment {
        hour: clock >> 12 & 0x3FF,
        minute: clock >> 6 & 63,
        second: clock & 63,
        fraction: (size & ((1u64 << width) - 1)) / unit,
        ..Moment::default()
    };
    (packed < 0, moment)
}

/// Microseconds of the binary protocol in units of the declared fraction.
fn sent_fraction(raw: &[u8], digits: usize) -> Res<u64> {
    let unit = 10u64.pow(6 - digits as u32);
    let micros = little(raw);
    if micros % unit != 0 || micros >= 1_000_000 {
        return Err(Malformed("ValueError"));
    }
    Ok(micros / unit)
}

/// DATE, DATETIME and TIMESTAMP of the binary protocol: nothing, a date, a clock, microseconds.
pub fn sent_datetime(raw: &[u8], digits: usize) -> Res<Moment> {
    let mut moment = Moment::default();
    if !matches!(raw.len(), 0 | 4 | 7 | 11) {
        return Err(Malformed("ValueError"));
    }
    if raw.len() >= 4 {
        moment.year = little(&raw[..2]);
        (moment.month, moment.day) = (u64::from(raw[2]), u64::from(raw[3]));
    }
    if raw.len() >= 7 {
        (moment.hour, moment.minute, moment.second) = (u64::from(raw[4]), u64::from(raw[5]), u64::from(raw[6]));
    }
    if raw.len() == 11 {
        moment.fraction = sent_fraction(&raw[7..], digits)?;
    }
    Ok(moment)
}

/// TIME of the binary protocol: nothing, or sign, days and clock, then microseconds.
pub fn sent_time(raw: &[u8], digits: usize) -> Res<(bool, Moment)> {
    let mut moment = Moment::default();
    match raw.len() {
        0 => return Ok((false, moment)),
        8 | 12 => {}
        _ => return Err(Malformed("ValueError")),
    }
    moment.hour = little(&raw[1..5]) * 24 + u64::from(raw[5]);
    (moment.minute, moment.second) = (u64::from(raw[6]), u64::from(raw[7]));
    if raw.len() == 12 {
        moment.fraction = sent_fraction(&raw[8..], digits)?;
    }
    Ok((raw[0] != 0, moment))
}
