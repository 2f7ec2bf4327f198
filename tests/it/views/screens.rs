//! What the live view looks like, at the sizes people have.

use super::streams;
use coalmine::event::{Envelope, Event};
use coalmine::model::command::{Command, Speed};
use coalmine::state::LabState;
use coalmine::tui::panes::PaneId;
use coalmine::tui::{App, Colours, Live, Player, Popup, Request, View, draw};
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::cell::RefCell;
use std::time::Duration;

fn view() -> View {
    View::new("coalmine", Colours::Indexed, Speed::Times(10.0))
}

fn screen(state: &LabState, view: &View, (width, height): (u16, u16)) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(state, view, frame)).unwrap();
    terminal.backend().to_string()
}

fn at_both_sizes(name: &str, events: &[Envelope], view: &View) {
    let state = LabState::of(events);
    for size in [(80, 24), (120, 40)] {
        insta::assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), screen(&state, view, size));
    }
}

#[test]
fn the_lab_is_being_made() {
    let events = streams::up_to_message(&streams::storm(), "podinfo-primary.test not ready");
    at_both_sizes("setting_up", &events[..events.len().min(20)], &view());
}

#[test]
fn a_healthy_release_advances() {
    let events = streams::up_to_message(&streams::healthy(), "Advance podinfo.test canary weight 30");
    at_both_sizes("healthy", &events, &view());
}

#[test]
fn a_bad_release_is_halted() {
    let halts = |it: &Event| matches!(it, Event::StatusChanged(it) if it.failed_checks == 3);
    at_both_sizes("halting", &streams::up_to(&streams::storm(), halts), &view());
}

#[test]
fn a_bad_release_was_rolled_back() {
    at_both_sizes("rolled_back", &streams::storm(), &view());
}

#[test]
fn a_release_waits_at_the_gate() {
    let waits = |it: &Event| matches!(it, Event::Command(_));
    at_both_sizes("gate", &streams::up_to(&streams::gate(), waits), &view());
}

#[test]
fn a_good_release_was_promoted() {
    at_both_sizes("promoted", &streams::healthy(), &view());
}

#[test]
fn help_is_the_table_of_keys() {
    let mut view = view();
    view.popup = Some(Popup::Help);
    at_both_sizes("help", &streams::healthy(), &view);
}

#[test]
fn a_small_screen_shows_one_pane() {
    let state = LabState::of(&streams::storm());
    insta::assert_snapshot!("small_60x15", screen(&state, &view(), (60, 15)));
}

#[test]
fn nothing_is_lost_without_colour() {
    let state = LabState::of(&streams::storm());
    let plain = View::new("coalmine", Colours::None, Speed::Times(10.0));
    assert_eq!(screen(&state, &plain, (120, 40)), screen(&state, &view(), (120, 40)));
    let mut terminal = Terminal::new(TestBackend::new(120, 40)).unwrap();
    terminal.draw(|frame| draw(&state, &plain, frame)).unwrap();
    let reset = ratatui::style::Color::Reset;
    assert!(terminal.backend().buffer().content.iter().all(|it| (it.fg, it.bg) == (reset, reset)));
}

fn key(code: KeyCode) -> KeyEvent {
    KeyEvent::new(code, KeyModifiers::NONE)
}

/// Presses keys on a live view of these events; gives the view and what was asked of the lab.
fn pressed(events: &[Envelope], keys: &[KeyCode]) -> (View, Vec<Command>, bool) {
    let (sender, receiver) = std::sync::mpsc::channel();
    events.iter().for_each(|it| sender.send(it.clone()).unwrap());
    let asked = RefCell::new(Vec::new());
    let mut app = App::new(view(), Live { events: receiver, commands: |it| asked.borrow_mut().push(it) });
    app.pump(Duration::ZERO);
    keys.iter().for_each(|it| app.press(&key(*it)));
    let (view, left) = (app.view.clone(), app.has_left());
    drop(app);
    (view, asked.into_inner(), left)
}

#[test]
fn keys_become_commands() {
    use KeyCode::{Char, Enter};
    let halting = streams::up_to_message(&streams::storm(), "Halt");
    for (keys, commands) in [
        (&[Char(' '), Char(' ')][..], &[Command::Pause, Command::Resume][..]),
        (&[Char('.')], &[]),
        (
            &[Char(' '), Char('.'), Char('s')],
            &[Command::Pause, Command::Step { millis: 1000 }, Command::Step { millis: 1000 }],
        ),
        (&[Char(' '), Char('>')], &[Command::Pause, Command::Step { millis: 15_000 }]),
        (&[Char('+')], &[Command::Speed(Speed::Times(20.0))]),
        (&[Char('-')], &[Command::Speed(Speed::Times(5.0))]),
        (&[Char('g')], &[Command::OpenGate]),
        (&[Char('c')], &[Command::CloseGate]),
        (&[Char('r'), Char('y')], &[Command::RollBack]),
        (&[Char('r'), Enter], &[]),
        (&[Char('r'), Char('n')], &[]),
        (&[Char('q')], &[Command::Quit]),
        (&[Char('/'), Char('q'), Char('r'), Enter], &[]),
    ] {
        assert_eq!(pressed(&halting, keys).1, commands, "{keys:?}");
    }
}

#[test]
fn a_run_that_is_over_is_asked_nothing() {
    use KeyCode::Char;
    let (view, asked, left) = pressed(&streams::storm(), &[Char('r'), Char('y'), Char('g'), Char(' '), Char('+')]);
    assert_eq!(asked, []);
    assert!(!left);
    assert_eq!(view.message, "the run is over; press q to leave");
}

#[test]
fn the_wall_clock_is_not_paused() {
    let mut events = streams::up_to_message(&streams::storm(), "Halt");
    if let Event::RunStarted(it) = &mut events[0].event {
        it.clock = coalmine::event::ClockKind::Wall;
    }
    let (view, asked, _) = pressed(&events, &[KeyCode::Char(' ')]);
    assert_eq!((view.message.as_str(), asked), ("the wall clock cannot be paused", vec![]));
    assert!(screen(&LabState::of(&events), &view, (80, 24)).contains("wall clock"));
}

#[test]
fn quit_ends_the_run_and_leaves_when_it_has_ended() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let asked = RefCell::new(Vec::new());
    let mut app = App::new(view(), Live { events: receiver, commands: |it| asked.borrow_mut().push(it) });
    let storm = streams::storm();
    sender.send(storm[0].clone()).unwrap();
    app.pump(Duration::ZERO);
    app.press(&key(KeyCode::Char('q')));
    assert_eq!((app.has_left(), asked.borrow().as_slice()), (false, [Command::Quit].as_slice()));
    storm[1..].iter().for_each(|it| sender.send(it.clone()).unwrap());
    drop(sender);
    app.pump(Duration::ZERO);
    assert!(app.has_left(), "the run has ended as asked");
}

#[test]
fn a_run_that_broke_does_not_keep_the_screen() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let mut app = App::new(view(), Live { events: receiver, commands: |_| {} });
    sender.send(streams::storm()[0].clone()).unwrap();
    drop(sender);
    app.pump(Duration::ZERO);
    assert!(app.has_left());
}

#[test]
fn a_replay_shows_what_the_run_showed() {
    let events = streams::storm();
    let mut view = view();
    view.is_replay = true;
    let mut app = App::new(view, Player::new(events.clone(), Speed::Times(10.0)));
    app.pump(Duration::ZERO);
    assert_eq!(app.state.scenario_ms(app.state.now_ms), 0, "a replay begins with the scenario");
    for _ in 0..200 {
        app.pump(Duration::from_millis(100));
        let so_far = usize::try_from(app.state.seq).unwrap();
        assert_eq!(app.state, LabState::of(&events[..so_far]));
    }
    assert_eq!(app.state, LabState::of(&events));
}

#[test]
fn a_replay_pauses_steps_and_jumps_both_ways() {
    use KeyCode::{Char, Left};
    let events = streams::storm();
    let mut view = view();
    view.is_replay = true;
    let mut app = App::new(view, Player::new(events.clone(), Speed::Times(1.0)));
    let mut at = |keys: &[KeyCode], millis: u64| {
        keys.iter().for_each(|it| app.press(&key(*it)));
        app.pump(Duration::from_millis(millis));
        let so_far = usize::try_from(app.state.seq).unwrap();
        assert_eq!(app.state, LabState::of(&events[..so_far]), "{keys:?}");
        app.state.scenario_ms(app.state.now_ms)
    };
    assert_eq!(at(&[], 0), 0);
    assert_eq!(at(&[], 20_000), 20_000);
    assert_eq!(at(&[Char(' ')], 5_000), 20_000);
    assert_eq!(at(&[Char('.')], 5_000), 21_000);
    assert_eq!(at(&[Left], 0), 11_000);
    assert_eq!(at(&[Char(']')], 0), 12_000, "the release");
    assert_eq!(at(&[Char(']'), Char(']')], 0), 30_000, "the analysis begins");
    assert_eq!(at(&[Char('[')], 0), 15_000);
}

#[test]
fn events_are_filtered_and_scrolled() {
    use KeyCode::{Char, Enter, Up};
    let keys: Vec<_> = [Char('/')].into_iter().chain("rolling".chars().map(Char)).chain([Enter]).collect();
    let (view, ..) = pressed(&streams::storm(), &keys);
    let text = screen(&LabState::of(&streams::storm()), &view, (80, 24));
    assert!(text.contains("filter /rolling") && text.contains("Rolling back podinfo.test"), "{text}");
    assert!(!text.contains("Halt podinfo.test advancement"), "{text}");
    let (view, ..) = pressed(&streams::storm(), &[Up, Up, Up]);
    assert_eq!(view.scrolled(PaneId::Events), 3);
}

fn any_key() -> impl Strategy<Value = KeyCode> {
    use KeyCode::{BackTab, Backspace, Char, Down, End, Enter, Esc, Home, Left, PageDown, PageUp, Right, Tab, Up};
    let special = vec![BackTab, Backspace, Down, End, Enter, Esc, Home, Left, PageDown, PageUp, Right, Tab, Up];
    prop_oneof![
        proptest::sample::select(special),
        any::<char>().prop_map(Char),
        "[a-z?/ +.1-9-]".prop_map(|it| { Char(it.chars().next().unwrap_or('q')) })
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_size_and_no_keys_make_it_panic(
        width in 0u16..140, height in 0u16..50, events in 0usize..300, keys in proptest::collection::vec(any_key(), 0..20)
    ) {
        let storm = streams::gate();
        let events = &storm[..events.min(storm.len())];
        let (view, ..) = pressed(events, &keys);
        screen(&LabState::of(events), &view, (width.max(1), height.max(1)));
    }

    #[test]
    fn the_state_of_a_prefix_is_the_live_state_there(cut in 0usize..250) {
        let storm = streams::storm();
        let cut = cut.min(storm.len());
        let mut live = LabState::of(&storm[..cut]);
        storm[cut..].iter().for_each(|it| live.apply(it));
        prop_assert_eq!(live, LabState::of(&storm));
    }
}

#[test]
fn requests_are_only_for_their_source() {
    let mut view = view();
    assert_eq!(view.press(&key(KeyCode::Left), &LabState::default()), None);
    view.is_replay = true;
    assert_eq!(view.press(&key(KeyCode::Left), &LabState::default()), Some(Request::Jump(-10_000)));
}

#[test]
fn hours_of_traffic_are_shown_in_bounded_memory() {
    let state = LabState::of(&streams::long(60_000));
    assert_eq!(state.seq, 60_000);
    for check in &state.checks {
        assert!(check.series.points().count() <= coalmine::state::MAX_POINTS);
    }
    for version in state.traffic.versions.values() {
        assert!(version.recent.len() <= coalmine::state::MAX_SLICES);
        assert!(version.p99.points().count() <= coalmine::state::MAX_POINTS);
    }
    assert!(state.timeline.len() <= coalmine::state::MAX_TIMELINE);
    assert!((state.traffic.recent_rate(state.now_ms) - 100.0).abs() < 1.0);
    screen(&state, &view(), (120, 40));
}
