//! Second factors, by account.

use minicbor::bytes::{ByteArray, ByteSlice};
use minicbor::{Decode, Encode};

use super::KeptAs;
use crate::domain::{
    FactorState, NoList, RecoveryHash, SealedSecret, SecondFactor, TotpStep, UserId, Version,
};
use crate::store::contract::{Index, Table};
use crate::store::records::Record;
use crate::store::records::envelope::{Fault, Kind, body};
use crate::store::records::parts::Id;

/// A second factor as it is stored. It is on once a code was used.
#[derive(Debug, Encode, Decode)]
pub struct StoredFactor<'a> {
    #[n(0)]
    user: Id,
    #[b(1)]
    secret: &'a ByteSlice,
    #[n(2)]
    version: u64,
    #[n(3)]
    last_used: Option<u64>,
    #[n(4)]
    recovery: Option<Vec<ByteArray<32>>>,
}

impl<'a> From<&'a SecondFactor> for StoredFactor<'a> {
    fn from(factor: &'a SecondFactor) -> Self {
        let (last_used, recovery) = match &factor.state {
            FactorState::Pending => (None, None),
            FactorState::On { last_used, recovery } => {
                let recovery = recovery.iter().map(|code| code.0.into()).collect();
                (Some(last_used.0), Some(recovery))
            }
        };
        Self {
            user: Id(factor.user.as_u128()),
            secret: factor.secret.0.as_slice().into(),
            version: factor.version.number(),
            last_used,
            recovery,
        }
    }
}

impl Record for SecondFactor {
    const KIND: Kind = Kind { table: "second_factors", tag: 51, version: 1 };
    type Stored<'a> = StoredFactor<'a>;

    fn read(_: u8, bytes: &[u8]) -> Result<Self, Fault> {
        let stored: StoredFactor<'_> = body(bytes)?;
        let state = match stored.last_used.map(TotpStep) {
            None => FactorState::Pending,
            Some(last_used) => {
                let codes = stored.recovery.unwrap_or_default().into_iter();
                let recovery = codes.map(|code| RecoveryHash(code.into())).collect();
                FactorState::On { last_used, recovery }
            }
        };
        Ok(Self {
            user: UserId::from_u128(stored.user.0),
            secret: SealedSecret(stored.secret.to_vec()),
            state,
            version: Version::from_number(stored.version),
        })
    }
}

impl KeptAs for SecondFactor {
    const TABLE: Table = Table(51);

    fn key(user: &UserId) -> Vec<u8> {
        user.as_u128().to_be_bytes().to_vec()
    }

    fn span(list: &NoList) -> (Index, Vec<u8>) {
        match *list {}
    }
}
