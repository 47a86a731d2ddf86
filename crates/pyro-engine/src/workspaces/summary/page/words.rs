//! Numbers as a reader wants them.
//!
//! Owns: times in UTC, since a page is read anywhere and at any time, sizes,
//! durations, counts. Pure.

/// `2026-11-21`, `13:36:05`.
pub fn date_and_time(unix_seconds: f64) -> (String, String) {
    // Until the year 9999; what no clock says is shown as the nearest of these.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let seconds = unix_seconds.clamp(0.0, 253_402_300_799.0) as u64;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Years that begin in March end with the leap day.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hours, minutes) = (rest / 3600, rest % 3600 / 60);
    (
        format!("{year:04}-{month:02}-{day:02}"),
        format!("{hours:02}:{minutes:02}:{:02}", rest % 60),
    )
}

/// `2026-11-21 13:36:05 UTC`.
pub fn moment(unix_seconds: f64) -> String {
    let (date, time) = date_and_time(unix_seconds);
    format!("{date} {time} UTC")
}

/// `12 bytes`, `3.4 KiB`.
pub fn size(bytes: u64) -> String {
    let unit = |shift: u32, name: &str| {
        let tenths = (bytes >> (shift - 10)) * 10 / 1024;
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    };
    match bytes {
        1 => "1 byte".to_owned(),
        0..1024 => format!("{bytes} bytes"),
        1024..0x10_0000 => unit(10, "KiB"),
        0x10_0000..0x4000_0000 => unit(20, "MiB"),
        _ => unit(30, "GiB"),
    }
}

/// `7 ms`, `1.2 s`, `3 min 4 s`, `2 h 5 min`.
pub fn duration(millis: u64) -> String {
    let seconds = millis / 1000;
    match millis {
        0..1000 => format!("{millis} ms"),
        1000..60_000 => format!("{seconds}.{} s", millis % 1000 / 100),
        60_000..3_600_000 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `1 file`, `2 files`.
pub fn count(number: u64, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0.0, "1970-01-01 00:00:00 UTC"),
            (951_782_399.9, "2000-02-28 23:59:59 UTC"),
            (951_868_799.0, "2000-02-29 23:59:59 UTC"),
            (1_709_251_199.0, "2024-02-29 23:59:59 UTC"),
            (1_795_268_165.0, "2026-11-21 13:36:05 UTC"),
            (4_107_542_400.0, "2100-03-01 00:00:00 UTC"),
            (f64::INFINITY, "9999-12-31 23:59:59 UTC"),
            (-5.0, "1970-01-01 00:00:00 UTC"),
            (f64::NAN, "1970-01-01 00:00:00 UTC"),
        ] {
            assert_eq!(moment(seconds), expected);
        }
    }

    #[test]
    fn sizes_durations_and_counts() {
        assert_eq!(
            [1, 1023, 1536, 1_048_576, u64::MAX].map(size),
            [
                "1 byte",
                "1023 bytes",
                "1.5 KiB",
                "1.0 MiB",
                "17179869183.9 GiB"
            ]
        );
        assert_eq!(
            [999, 1250, 61_000, 7_500_000].map(duration),
            ["999 ms", "1.2 s", "1 min 1 s", "2 h 5 min"]
        );
        assert_eq!([count(1, "file"), count(0, "file")], ["1 file", "0 files"]);
    }
}
