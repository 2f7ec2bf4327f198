//! What a person may ask of a running lab.

use serde::{Deserialize, Serialize};

/// A request to the session; it answers with events.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Stop the simulated clock until [`Command::Resume`]. The wall clock cannot be stopped; then it is refused with a note.
    Pause,
    Resume,
    /// While paused: let time run for this many milliseconds.
    Step {
        millis: u64,
    },
    /// Simulated seconds per real second; infinite for "as fast as it can".
    Speed(Speed),
    OpenGate,
    CloseGate,
    RollBack,
    /// End the run and take the lab down.
    Quit,
}

/// Slowest speed that can be asked for: at this one, a second takes more than a minute and a half.
pub const SLOWEST: f64 = 0.01;
/// Fastest speed with a number; beyond it, `max` is meant.
pub const FASTEST: f64 = 100_000.0;

/// How fast the simulated clock goes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Speed {
    /// As fast as the machine can.
    Max,
    /// This many simulated seconds per real second, [`SLOWEST`] to [`FASTEST`].
    Times(f64),
}

impl std::fmt::Display for Speed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Max => f.write_str("max"),
            Self::Times(times) => write!(f, "{times}x"),
        }
    }
}

impl std::str::FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        match text.strip_suffix('x').unwrap_or(text).parse::<f64>() {
            Ok(times) if (SLOWEST..=FASTEST).contains(&times) => Ok(Self::Times(times)),
            _ => {
                Err(format!("`{text}` is not a speed: write `max`, or a number from {SLOWEST} to {FASTEST} such as 10"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_max_or_a_number_in_range() {
        for (text, speed) in [("max", Speed::Max), ("1", Speed::Times(1.0)), ("0.5x", Speed::Times(0.5))] {
            assert_eq!(text.parse(), Ok(speed), "{text}");
        }
        for bad in ["", "0", "-1", "1e-300", "1e300", "nan", "inf", "fast", "10xx"] {
            assert!(bad.parse::<Speed>().is_err(), "{bad}");
        }
    }
}
