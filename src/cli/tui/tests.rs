//! The screen at sizes usual and absurd, and what the keys do.

use super::*;
use crate::metrics::Scores;
use crate::train::EpochRecord;
use ratatui::backend::TestBackend;

/// Twenty of forty epochs: a loss that halves each time, an accuracy that rises.
fn made_up() -> History {
    let mut history = History::new("digits · CPU path", 40);
    for epoch in 1..=20 {
        let loss = 2f64.powi(-(epoch as i32));
        let valid = Scores { loss: 2.0 * loss, metrics: vec![("accuracy", 1.0 - loss)], confusion: None };
        let record = EpochRecord {
            epoch,
            steps: 37 * epoch,
            lr: 1e-3 / epoch as f64,
            train_loss: loss,
            grad_norm: loss,
            skipped: 0,
            loss_scale: None,
            valid: Some(valid),
            seconds: epoch as f64,
        };
        history.epoch(&record, 84_702.0);
    }
    history.flow = [("layer 0 (dense 64→256)", 1e-4), ("layer 2 (dense 256→128)", 1e-3), ("layer 4 (dense 128→10)", 1e-2)]
        .map(|(name, size)| (name.to_string(), size))
        .to_vec();
    history.say("warning: epoch 1: one step moves the weights of layer 0 by 40 %");
    history
}

/// The lines of the screen.
fn screen(history: &History, (wide, high): (u16, u16)) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(wide, high)).unwrap();
    terminal.draw(|frame| draw(frame, history, 60.0)).unwrap();
    let cells = terminal.backend().buffer().content();
    cells.chunks(usize::from(wide)).map(|line| line.iter().map(|cell| cell.symbol()).collect()).collect()
}

#[test]
fn all_charts_are_on_an_ordinary_terminal() {
    for size in [(80, 24), (120, 40)] {
        let lines = screen(&made_up(), size);
        let text = lines.join("\n");
        // 2⁻²⁰ is 9.5e-7, half of forty epochs took a minute
        for part in [
            "digits · CPU path",
            "epoch 21/40  1:00  1:00 left  84,702 samples/s",
            "loss  train 9.5e-7  valid 1.9e-6",
            "validation accuracy  1.0000",
            "learning rate  5.0e-5",
            "gradients by layer",
            "layer 4",
            "1.0e-2",
            "moves the weights of layer 0 by 40 %",
            "q stop and keep   s save weights   ? help",
        ] {
            assert!(text.contains(part), "`{part}` is not in\n{text}");
        }
        let filled = |layer: &str| lines.iter().find(|line| line.contains(layer)).unwrap().matches('█').count();
        assert!(filled("layer 4") > filled("layer 2") && filled("layer 2") > filled("layer 0") && filled("layer 0") > 0, "{text}");
        // braille: lines were drawn
        assert!(text.chars().filter(|c| ('\u{2801}'..='\u{28ff}').contains(c)).count() > 30, "{text}");
    }
}

#[test]
fn there_is_room_for_something_on_any_terminal() {
    for size in [(20, 5), (1, 1), (3, 2), (200, 3), (5, 60), (41, 9), (39, 24), (300, 100)] {
        let mut history = made_up();
        screen(&history, size);
        history.help = true;
        screen(&history, size);
        screen(&History::new("", 0), size);
        let mut odd = History::new("odd", 3);
        for loss in [f64::NAN, 0.0, f64::INFINITY, -1e300, 1e300, 5e-324] {
            let record = EpochRecord {
                epoch: 1,
                steps: 1,
                lr: loss,
                train_loss: loss,
                grad_norm: loss,
                skipped: 0,
                loss_scale: None,
                valid: None,
                seconds: loss,
            };
            odd.epoch(&record, loss);
            odd.flow.push(("x".repeat(300), loss));
            screen(&odd, size);
        }
    }
    let small = screen(&made_up(), (20, 5)).join("\n");
    assert!(small.contains("loss 9.5e-7"), "{small}");
}

#[test]
fn help_comes_and_goes() {
    let mut history = made_up();
    history.help = true;
    assert!(screen(&history, (80, 24)).join("\n").contains("save the weights after this epoch"));
    let shared = Shared { history: Mutex::new(history), ..Shared::default() };
    let press = |code| pressed(KeyEvent::new(code, KeyModifiers::NONE), &shared);
    press(KeyCode::Esc);
    assert!(!shared.history().help && !shared.stop.load(Ordering::Relaxed), "Esc takes the help away before it stops anything");
    press(KeyCode::Char('?'));
    assert!(shared.history().help);
}

#[test]
fn keys_stop_once_and_end_twice_and_save() {
    for (code, modifiers) in
        [(KeyCode::Char('q'), KeyModifiers::NONE), (KeyCode::Esc, KeyModifiers::NONE), (KeyCode::Char('c'), KeyModifiers::CONTROL)]
    {
        let shared = Shared { history: Mutex::new(made_up()), ..Shared::default() };
        let press = || pressed(KeyEvent::new(code, modifiers), &shared);
        assert_eq!((press(), shared.stop.load(Ordering::Relaxed)), (Wish::None, true), "{code}");
        assert!(screen(&shared.history(), (80, 24)).join("\n").contains("stopping after this step"));
        assert_eq!(press(), Wish::Now, "{code}");
    }
    let shared = Shared { history: Mutex::new(made_up()), ..Shared::default() };
    pressed(KeyEvent::new(KeyCode::Char('s'), KeyModifiers::NONE), &shared);
    pressed(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::NONE), &shared);
    assert!(shared.save.load(Ordering::Relaxed) && !shared.stop.load(Ordering::Relaxed));
}
