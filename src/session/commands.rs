//! What a person asks of a run while it goes.

use super::ground::Ground;
use super::load_tester;
use crate::event::Event;
use crate::model::command::Command;
use tokio::sync::mpsc;

/// Does what is asked for, until a person quits.
pub(crate) async fn obey(commands: &mut mpsc::Receiver<Command>, ground: &Ground) {
    while let Some(command) = commands.recv().await {
        let (text, path) = match command {
            Command::OpenGate => ("open the gate", load_tester::OPEN_GATE),
            Command::CloseGate => ("close the gate", load_tester::CLOSE_GATE),
            Command::RollBack => ("roll back", load_tester::OPEN_ROLLBACK),
            Command::Quit => return tell(ground, "quit"),
            Command::Pause | Command::Resume | Command::Step { .. } | Command::Speed(_) => {
                ground.note("the wall clock cannot be paused, stepped or sped up");
                continue;
            }
        };
        tell(ground, text);
        // A run goes on after what could not be done by hand.
        if let Err(error) = load_tester::call(ground, path).await {
            ground.note(format!("could not be done: {error}"));
        }
    }
    std::future::pending::<()>().await;
}

/// The outcome of `work`, or none where a person quits before it ends; other commands come too early, and are noted.
pub(crate) async fn unless_quit<T>(
    commands: &mut mpsc::Receiver<Command>,
    ground: &Ground,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        biased;
        () = quit(commands, ground) => None,
        done = work => Some(done),
    }
}

async fn quit(commands: &mut mpsc::Receiver<Command>, ground: &Ground) {
    while let Some(command) = commands.recv().await {
        if command == Command::Quit {
            return tell(ground, "quit");
        }
        ground.note("not yet: the lab is being made");
    }
    std::future::pending::<()>().await;
}

fn tell(ground: &Ground, text: &str) {
    ground.bus.publish(Event::Command(crate::event::Command { text: text.to_owned() }));
}
