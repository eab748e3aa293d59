//! Sign-ins: for how long each counts, and which give way to others.

use std::time::Duration;

use super::{ClientName, SessionId, Timestamp, User, UserId};

/// How long sessions lasted unless it was set otherwise when only their end was stored.
const LASTED: Duration = Duration::from_secs(7 * 24 * 3600);
/// When a session was last used is written down so many times at most while it would last unused.
const SEEN_PER_LIFE: u32 = 60;
/// But never less often than this, so that the list of sessions is of some use.
const SEEN_AT_LEAST_EVERY: Duration = Duration::from_secs(3600);

/// One sign-in. A token is good for as long as its session is stored and not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Whose session it is.
    pub user: UserId,
    /// Names the session.
    pub id: SessionId,
    /// What signed in, as far as it said.
    pub client: Option<ClientName>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, at least: see [`SessionRules::is_worth_noting`].
    pub last_seen_at: Timestamp,
    /// From then on the session counts for nothing, used or not.
    pub expires_at: Timestamp,
}

impl Session {
    /// A session of which only the end is known, as earlier releases stored it.
    pub fn ending(user: UserId, id: SessionId, expires_at: Timestamp) -> Self {
        let lasted = i64::try_from(LASTED.as_millis()).unwrap_or(i64::MAX);
        let began = Timestamp::from_millis(expires_at.as_millis().saturating_sub(lasted));
        Self { user, id, client: None, created_at: began, last_seen_at: began, expires_at }
    }
}

/// How long sessions last, and how many a user may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionRules {
    /// How long one lasts at most.
    pub lasts: Duration,
    /// How long one of an operator lasts at most that begins while the account is one's.
    pub of_operator_lasts: Duration,
    /// How long one lasts unused; `None` if that makes no difference.
    pub idle: Option<Duration>,
    /// How many one user may have; `None` for any number.
    pub most: Option<usize>,
}

impl Default for SessionRules {
    fn default() -> Self {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        Self { lasts: hours(168), of_operator_lasts: hours(12), idle: None, most: Some(50) }
    }
}

impl SessionRules {
    /// A session that begins now.
    pub fn begin(
        &self,
        user: &User,
        id: SessionId,
        client: Option<ClientName>,
        now: Timestamp,
    ) -> Session {
        let of_operator = if user.is_operator { self.of_operator_lasts } else { self.lasts };
        let expires_at = now.plus(self.lasts.min(of_operator));
        let user = user.id;
        Session { user, id, client, created_at: now, last_seen_at: now, expires_at }
    }

    /// Whether the session counts for nothing any more.
    pub fn is_over(&self, session: &Session, now: Timestamp) -> bool {
        let unused = now.since(session.last_seen_at);
        now >= session.expires_at || self.idle.is_some_and(|idle| unused >= idle)
    }

    /// Whether it is so long since the use of the session was last written down that it is to be
    /// written again. In between nothing is written, so a session may end that much too early, and
    /// never too late.
    pub fn is_worth_noting(&self, session: &Session, now: Timestamp) -> bool {
        let unused = self.idle.unwrap_or(self.lasts).min(self.lasts);
        let every = (unused / SEEN_PER_LIFE).min(SEEN_AT_LEAST_EVERY);
        now.since(session.last_seen_at) >= every.max(Duration::from_millis(1))
    }

    /// Of a user's sessions, those that are to end because there are too many: the oldest ones.
    pub fn surplus(&self, mut sessions: Vec<Session>, now: Timestamp) -> Vec<SessionId> {
        sessions.retain(|session| !self.is_over(session, now));
        sessions.sort_unstable_by_key(|session| (session.created_at, session.id));
        let surplus = self.most.map_or(0, |most| sessions.len().saturating_sub(most));
        sessions.iter().take(surplus).map(|session| session.id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Email;

    const START: Timestamp = Timestamp::from_millis(1_795_319_640_768);
    const HOUR: Duration = Duration::from_secs(3600);

    fn session(rules: SessionRules, id: u128, at: Timestamp) -> Session {
        rules.begin(&ana(), SessionId::from_u128(id), None, at)
    }

    fn ana() -> User {
        let email = Email::parse("ana@example.com").expect("an address");
        User::new(UserId::from_u128(1), email, String::new(), START)
    }

    #[test]
    fn a_session_of_an_operator_lasts_a_shorter_time() {
        let rules = SessionRules::default();
        let operator = ana().with_operator(true).expect("no operator's yet");
        let begin =
            |rules: SessionRules| rules.begin(&operator, SessionId::from_u128(1), None, START);
        assert_eq!(begin(rules).expires_at, START.plus(12 * HOUR));
        let short = SessionRules { lasts: HOUR, ..rules };
        assert_eq!(begin(short).expires_at, START.plus(HOUR), "and never longer than others'");
    }

    #[test]
    fn a_session_lasts_its_time_if_no_more_is_asked() {
        let rules = SessionRules::default();
        let session = session(rules, 1, START);
        assert!(!rules.is_over(&session, START.plus(168 * HOUR - Duration::from_millis(1))));
        assert!(rules.is_over(&session, START.plus(168 * HOUR)));
    }

    #[test]
    fn an_unused_session_is_over_before_its_time() {
        let rules = SessionRules { idle: Some(2 * HOUR), ..SessionRules::default() };
        let mut session = session(rules, 1, START);
        assert!(!rules.is_over(&session, START.plus(2 * HOUR - Duration::from_millis(1))));
        assert!(rules.is_over(&session, START.plus(2 * HOUR)));
        session.last_seen_at = START.plus(HOUR);
        assert!(!rules.is_over(&session, START.plus(2 * HOUR)));
        session.last_seen_at = session.expires_at;
        assert!(rules.is_over(&session, session.expires_at), "however much it is used");
    }

    #[test]
    fn use_is_noted_a_sixtieth_of_the_idle_time_after_the_last_note() {
        let rules = SessionRules { idle: Some(2 * HOUR), ..SessionRules::default() };
        let session = session(rules, 1, START);
        assert!(!rules.is_worth_noting(&session, START.plus(Duration::from_millis(119_999))));
        assert!(rules.is_worth_noting(&session, START.plus(Duration::from_secs(120))));
        let rules = SessionRules::default();
        assert!(!rules.is_worth_noting(&session, START.plus(HOUR - Duration::from_millis(1))));
        assert!(rules.is_worth_noting(&session, START.plus(HOUR)));
        let before = Timestamp::from_millis(START.as_millis() - 1);
        assert!(!rules.is_worth_noting(&session, before), "a clock that was set back");
    }

    #[test]
    fn the_oldest_sessions_are_too_many_and_those_that_are_over_are_not_counted() {
        let rules = SessionRules { idle: Some(HOUR), most: Some(2), ..SessionRules::default() };
        let at = |minutes: u64| START.plus(Duration::from_secs(60 * minutes));
        let all = vec![
            session(rules, 9, at(10)),
            session(rules, 7, at(30)),
            session(rules, 8, at(20)),
            session(rules, 1, at(0)),
        ];
        let ids = |ids: &[u128]| ids.iter().map(|id| SessionId::from_u128(*id)).collect::<Vec<_>>();
        assert_eq!(rules.surplus(all.clone(), at(40)), ids(&[1, 9]));
        assert_eq!(rules.surplus(all.clone(), at(65)), ids(&[9]));
        let any = SessionRules { most: None, ..rules };
        assert_eq!(any.surplus(all, at(40)), []);
    }
}
