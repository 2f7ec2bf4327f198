//! The grid of ticks under the paused clock.

use super::*;
use std::sync::Mutex;

/// Starts of ticks in seconds, when the tick number n lasts `lengths[n]` seconds (later ones none).
async fn starts(interval: u64, lengths: &[u64], until: u64) -> Vec<u64> {
    let (begin, stop) = (Instant::now(), CancellationToken::new());
    let starts = Mutex::new(Vec::new());
    let ticks = repeat(Duration::from_secs(interval), &stop, || async {
        let number = {
            let mut starts = starts.lock().unwrap();
            starts.push(begin.elapsed().as_secs());
            starts.len() - 1
        };
        tokio::time::sleep(Duration::from_secs(lengths.get(number).copied().unwrap_or(0))).await;
    });
    let _ = tokio::time::timeout(Duration::from_secs(until), ticks).await;
    starts.into_inner().unwrap()
}

#[tokio::test(start_paused = true)]
async fn ticks_stay_on_the_grid() {
    for (what, lengths, expected) in [
        ("short ticks", vec![], vec![0, 10, 20, 30, 40, 50]),
        ("a tick shorter than the interval does not move the grid", vec![9, 3], vec![0, 10, 20, 30, 40, 50]),
        ("one late beat is delivered at once", vec![0, 15], vec![0, 10, 25, 30, 40, 50]),
        ("further missed beats are dropped", vec![0, 35], vec![0, 10, 45, 50]),
        ("also when every tick overruns", vec![12, 12, 12, 12], vec![0, 12, 24, 36, 48, 50]),
    ] {
        assert_eq!(starts(10, &lengths, 55).await, expected, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stopped_job_finishes_its_tick() {
    let stop = CancellationToken::new();
    let finished = Mutex::new(0);
    let job = repeat(Duration::from_secs(10), &stop, || async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        *finished.lock().unwrap() += 1;
    });
    let stopping = async {
        tokio::time::sleep(Duration::from_secs(12)).await;
        stop.cancel();
    };
    tokio::join!(job, stopping);
    assert_eq!(*finished.lock().unwrap(), 2);
}
