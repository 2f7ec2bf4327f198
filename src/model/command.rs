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

/// How fast the simulated clock goes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Speed {
    /// As fast as the machine can.
    Max,
    /// This many simulated seconds per real second; above 0.
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
        match text.trim_end_matches('x').parse::<f64>() {
            Ok(times) if times > 0.0 && times.is_finite() => Ok(Self::Times(times)),
            _ => Err(format!("`{text}` is not a speed: write `max`, or a number above 0 such as 1 or 10")),
        }
    }
}
