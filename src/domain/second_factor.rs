//! A second factor beside the password: whether an account has one, and what it takes of it.
//!
//! ```text
//!        asked for            confirmed by a code
//!  none ────────────▶ Pending ─────────────▶ On
//!   ▲  ◀── asked for again ──┘               │ each code and each recovery code once
//!   └────────────────────────────────────────┘ given up, with the password
//! ```
//!
//! The account itself only says whether it is on ([`super::User::totp`]): that is told and shown, and
//! changes with every change here but the use of a code. How codes are made and secrets are sealed is
//! not known here.

use super::resource::{NoList, Resource};
use super::{UserId, Version};

/// The number of a code: which span of thirty seconds since 1970 it is shown in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TotpStep(pub u64);

/// What is kept of a recovery code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecoveryHash(pub [u8; 32]);

/// A secret that only the server can open, and not by the data alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret(pub Vec<u8>);

/// The second factor of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecondFactor {
    /// Whose it is.
    pub user: UserId,
    /// What device and server share.
    pub secret: SealedSecret,
    /// How far it has come.
    pub state: FactorState,
    /// Rises by one with every change.
    pub version: Version,
}

/// How far a second factor has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactorState {
    /// Its secret was shown, and no device has shown yet that it knows it.
    Pending,
    /// Signing in takes a code.
    On {
        /// The latest code that was used; neither it nor an earlier one is good again.
        last_used: TotpStep,
        /// The recovery codes that are left.
        recovery: Vec<RecoveryHash>,
    },
}

/// What somebody shows beside the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// A code of the account's secret.
    Code(TotpStep),
    /// A recovery code.
    Recovery(RecoveryHash),
}

/// Why the second factor is not satisfied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FactorRejection {
    /// Nothing was shown.
    #[error("a second factor is required")]
    Required,
    /// What was shown is not good, or not any more.
    #[error("the code is wrong or was used")]
    Invalid,
    /// The account has a second factor already.
    #[error("there is a second factor already")]
    AlreadyOn,
    /// No secret waits to be confirmed.
    #[error("no second factor was asked for")]
    NotPending,
}

impl SecondFactor {
    /// A secret that waits to be confirmed, in place of one that was never.
    pub fn offer(
        before: Option<&Self>,
        user: UserId,
        secret: SealedSecret,
    ) -> Result<Self, FactorRejection> {
        let version = match before {
            None => Version::FIRST,
            Some(Self { state: FactorState::Pending, version, .. }) => version.next(),
            Some(Self { state: FactorState::On { .. }, .. }) => {
                return Err(FactorRejection::AlreadyOn);
            }
        };
        Ok(Self { user, secret, state: FactorState::Pending, version })
    }

    /// The factor, on: a device has shown the code of a step of that secret.
    pub fn confirmed(
        &self,
        shown: &SealedSecret,
        step: TotpStep,
        recovery: Vec<RecoveryHash>,
    ) -> Result<Self, FactorRejection> {
        match self.state {
            FactorState::Pending if self.secret == *shown => {
                Ok(self.moved(FactorState::On { last_used: step, recovery }))
            }
            // Another secret was asked for meanwhile, and the code is none of its.
            FactorState::Pending => Err(FactorRejection::Invalid),
            FactorState::On { .. } => Err(FactorRejection::AlreadyOn),
        }
    }

    /// The factor after the proof was used up.
    pub fn proven(&self, proof: &Proof) -> Result<Self, FactorRejection> {
        let FactorState::On { last_used, recovery } = &self.state else {
            return Err(FactorRejection::Invalid);
        };
        let (last_used, recovery) = match proof {
            Proof::Code(step) if step > last_used => (*step, recovery.clone()),
            Proof::Recovery(used) if recovery.contains(used) => {
                (*last_used, recovery.iter().filter(|left| *left != used).copied().collect())
            }
            Proof::Code(_) | Proof::Recovery(_) => return Err(FactorRejection::Invalid),
        };
        Ok(self.moved(FactorState::On { last_used, recovery }))
    }

    /// Whether signing in takes it.
    pub fn is_on(&self) -> bool {
        matches!(self.state, FactorState::On { .. })
    }

    fn moved(&self, state: FactorState) -> Self {
        Self { state, version: self.version.next(), ..self.clone() }
    }
}

impl Resource for SecondFactor {
    type Id = UserId;
    type List = NoList;

    fn id(&self) -> UserId {
        self.user
    }

    fn version(&self) -> Version {
        self.version
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: UserId = UserId::from_u128(1);

    fn secret(byte: u8) -> SealedSecret {
        SealedSecret(vec![byte])
    }

    fn pending() -> SecondFactor {
        SecondFactor::offer(None, ANA, secret(1)).unwrap()
    }

    fn on() -> SecondFactor {
        let codes = vec![RecoveryHash([1; 32]), RecoveryHash([2; 32])];
        pending().confirmed(&secret(1), TotpStep(7), codes).unwrap()
    }

    #[test]
    fn a_factor_is_on_once_a_device_has_shown_that_it_knows_the_secret() {
        assert!(!pending().is_on());
        let code = Proof::Code(TotpStep(9));
        assert_eq!(pending().proven(&code), Err(FactorRejection::Invalid));
        let again = SecondFactor::offer(Some(&pending()), ANA, secret(2)).unwrap();
        assert_eq!(again.version, Version::FIRST.next());
        let confirmed = again.confirmed(&secret(1), TotpStep(7), Vec::new());
        assert_eq!(confirmed, Err(FactorRejection::Invalid), "it is another secret's code");
        assert!(on().is_on());
        assert_eq!(on().version, Version::FIRST.next());
        let offered = SecondFactor::offer(Some(&on()), ANA, secret(2));
        assert_eq!(offered, Err(FactorRejection::AlreadyOn));
        let confirmed = on().confirmed(&secret(1), TotpStep(8), Vec::new());
        assert_eq!(confirmed, Err(FactorRejection::AlreadyOn));
    }

    #[test]
    fn nothing_is_good_twice() {
        let code = |step| Proof::Code(TotpStep(step));
        for used in [6, 7] {
            assert_eq!(on().proven(&code(used)), Err(FactorRejection::Invalid));
        }
        let after = on().proven(&code(8)).unwrap();
        assert_eq!(after.proven(&code(8)), Err(FactorRejection::Invalid));
        let paper = Proof::Recovery(RecoveryHash([2; 32]));
        let after = after.proven(&paper).unwrap();
        assert_eq!(after.proven(&paper), Err(FactorRejection::Invalid));
        assert!(after.proven(&Proof::Recovery(RecoveryHash([1; 32]))).is_ok());
        let unknown = Proof::Recovery(RecoveryHash([3; 32]));
        assert_eq!(after.proven(&unknown), Err(FactorRejection::Invalid));
    }
}
