//! Places for passes that arrive: each is held in memory until it is kept, so only so many arrive at once,
//! and only some of them from one user, or whoever lets theirs stall would keep everybody else from adding any.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::domain::UserId;

/// How many of one user's may arrive at once.
const OF_ONE_USER: usize = 4;

/// Places for passes that arrive.
#[derive(Debug)]
pub struct Uploads {
    all: Semaphore,
    /// The places of those who have one or wait for one.
    users: Mutex<HashMap<UserId, Arc<Semaphore>>>,
}

/// A place, which is free again when this is dropped.
#[derive(Debug)]
pub struct Place<'u> {
    _of_user: OfUser<'u>,
    _of_all: SemaphorePermit<'u>,
}

/// A user's turn. Whoever waits for it may give up.
#[derive(Debug)]
struct OfUser<'u> {
    uploads: &'u Uploads,
    user: UserId,
    places: Arc<Semaphore>,
    has_one: bool,
}

impl Uploads {
    /// So many places.
    pub fn new(at_once: usize) -> Self {
        Self { all: Semaphore::new(at_once), users: Mutex::default() }
    }

    /// A place for a user, who waits for it behind their own first. `None` never: places do not close.
    pub async fn place(&self, user: UserId) -> Option<Place<'_>> {
        let places = || Arc::new(Semaphore::new(OF_ONE_USER));
        let places = self.users().entry(user).or_insert_with(places).clone();
        let mut of_user = OfUser { uploads: self, user, places, has_one: false };
        of_user.places.acquire().await.ok()?.forget();
        of_user.has_one = true;
        Some(Place { _of_user: of_user, _of_all: self.all.acquire().await.ok()? })
    }

    fn users(&self) -> MutexGuard<'_, HashMap<UserId, Arc<Semaphore>>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OfUser<'_> {
    fn drop(&mut self) {
        let mut users = self.uploads.users();
        if self.has_one {
            self.places.add_permits(1);
        }
        // This one and the one in the map: nobody else has or waits for one.
        if Arc::strong_count(&self.places) <= 2 {
            users.remove(&self.user);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn one_user_never_has_all_places_and_nothing_is_left_of_those_who_left() {
        let uploads = Uploads::new(OF_ONE_USER + 1);
        let (ana, ben) = (UserId::from_u128(1), UserId::from_u128(2));
        let mut of_ana = Vec::new();
        for _ in 0..OF_ONE_USER {
            of_ana.push(uploads.place(ana).now_or_never().flatten().expect("a place"));
        }
        assert!(uploads.place(ana).now_or_never().is_none(), "she waits behind her own");
        let of_ben = uploads.place(ben).now_or_never().flatten().expect("a place");
        assert!(uploads.place(ben).now_or_never().is_none(), "all are taken");
        drop(of_ana.pop());
        assert!(uploads.place(ana).now_or_never().flatten().is_some());
        assert!(uploads.place(ben).now_or_never().flatten().is_some(), "it is free again");
        drop((of_ana, of_ben));
        assert!(uploads.users().is_empty());
    }
}
