//! The run record's lines, and which versions of them this program reads and writes.
//!
//! | version | written by | read |
//! |---|---|---|
//! | 1 | coalmine 0.1 | yes |
//!
//! A record is UTF-8 text, one JSON object a line: a [`Header`], then one [`Envelope`] a line with numbers 1, 2, 3, ….
//! In version 1 an envelope's line is the JSON form of the types in [`super::kind`]. Fields that are *added* later keep
//! the version (they have defaults); an added kind or a changed meaning makes a new one, and older forms are converted here.

use super::{Envelope, Event};
use serde::{Deserialize, Serialize};

/// What the header's `format` says.
pub const FORMAT: &str = "coalmine-record";
/// The version that is written.
pub const VERSION: u32 = 1;
/// The oldest version that is read.
pub const OLDEST_VERSION: u32 = 1;
/// The longest line that is read or written, in bytes, without its line break.
pub const MAX_LINE_BYTES: usize = 1 << 20;

/// First line of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Always [`FORMAT`].
    pub format: String,
    pub version: u32,
}

impl Header {
    /// The header that this program writes.
    #[must_use]
    pub fn current() -> Self {
        Self { format: FORMAT.to_owned(), version: VERSION }
    }
}

/// Why a line cannot be read. The reader adds where.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    #[error("it is not a coalmine record: the first line must be {{\"format\":\"{FORMAT}\",\"version\":{VERSION}}}")]
    NotARecord,
    #[error(
        "it has format version {found} and this coalmine reads {OLDEST_VERSION} to {VERSION}: use the coalmine that wrote \
         it, or a newer one"
    )]
    Version { found: u32 },
    #[error("the line is not an event of format version {version}: {source}")]
    Event { version: u32, source: serde_json::Error },
}

/// Reads the first line.
pub fn read_header(line: &str) -> Result<Header, LineError> {
    let header: Header = serde_json::from_str(line).map_err(|_| LineError::NotARecord)?;
    if header.format != FORMAT {
        return Err(LineError::NotARecord);
    }
    if !(OLDEST_VERSION..=VERSION).contains(&header.version) {
        return Err(LineError::Version { found: header.version });
    }
    Ok(header)
}

/// Reads one event's line as the header's version defines it.
pub fn read_event(header: &Header, line: &str) -> Result<Envelope, LineError> {
    serde_json::from_str(line).map_err(|source| LineError::Event { version: header.version, source })
}

/// Whether JSON can carry the event's numbers: NaN and the infinities have no JSON form and would be lost.
#[must_use]
pub fn is_writable(event: &Event) -> bool {
    match event {
        Event::RunStarted(it) => it.policy.checks.iter().flat_map(|it| [it.min, it.max]).flatten().all(f64::is_finite),
        Event::Measured(it) => it.values.iter().filter_map(|it| it.value).all(f64::is_finite),
        Event::FaultChanged(it) => it.rate.is_finite(),
        Event::Requests(it) => {
            it.versions.values().flat_map(|it| [it.p50_ms, it.p99_ms, it.mean_ms, it.max_ms]).all(f64::is_finite)
        }
        _ => true,
    }
}
