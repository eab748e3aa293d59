//! A transport that keeps letters, and takes them when a test says so.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use gittix::mail::{Letter, SendError, Transport};

/// Letters that were taken. Clones share them.
#[derive(Clone, Default)]
pub struct Postbox(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    letters: Vec<Letter>,
    answers: Vec<Answer>,
}

/// What becomes of a letter that is not simply taken.
#[derive(Clone)]
pub enum Answer {
    NotTaken,
    Refused,
    Hangs,
    Panics,
}

impl Postbox {
    /// What becomes of the next letters, one after the other.
    pub fn will(&self, answers: &[Answer]) {
        self.0.lock().unwrap().answers.extend_from_slice(answers);
    }

    /// All letters so far, in the order they came.
    pub fn all(&self) -> Vec<Letter> {
        self.0.lock().unwrap().letters.clone()
    }

    /// Those that do not merely welcome somebody who is new.
    pub fn letters(&self) -> Vec<Letter> {
        self.all().into_iter().filter(|letter| !is_welcome(letter)).collect()
    }

    /// To whom letters with that beginning of their id went, and what their subjects are.
    pub fn told(&self, what: &str) -> Vec<(String, String)> {
        let letters = self.all().into_iter().filter(|letter| letter.id.starts_with(what));
        letters.map(|letter| (letter.to.as_str().to_owned(), letter.text.subject)).collect()
    }
}

fn is_welcome(letter: &Letter) -> bool {
    letter.id.starts_with("verify-address.")
}

#[async_trait]
impl Transport for Postbox {
    fn describe(&self) -> String {
        "a postbox".to_owned()
    }

    fn at_once(&self) -> usize {
        3
    }

    async fn send(&self, letter: &Letter) -> Result<(), SendError> {
        let answer = {
            let mut state = self.0.lock().unwrap();
            (!state.answers.is_empty() && !is_welcome(letter)).then(|| state.answers.remove(0))
        };
        match answer {
            None => self.0.lock().unwrap().letters.push(letter.clone()),
            Some(Answer::NotTaken) => return Err(SendError::NotTaken("busy".to_owned())),
            Some(Answer::Refused) => return Err(SendError::Refused("no such mailbox".to_owned())),
            Some(Answer::Hangs) => std::future::pending().await,
            Some(Answer::Panics) => panic!("as planned"),
        }
        Ok(())
    }
}
