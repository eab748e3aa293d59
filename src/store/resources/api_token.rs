//! API tokens.

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use super::KeptAs;
use crate::domain::{ApiToken, ApiTokens, TokenHash, TokenId, TokenName, UserId, Version};
use crate::store::contract::{Index, Table};
use crate::store::records::Record;
use crate::store::records::envelope::{Fault, Kind, body};
use crate::store::records::parts::{Id, millis, time};
use crate::store::{CommitError, Refusal};

/// A user's tokens.
const OF_USER: Index = Index(70);

/// A token as it is stored.
#[derive(Debug, Encode, Decode)]
pub struct StoredApiToken<'a> {
    #[n(0)]
    id: Id,
    #[n(1)]
    user: Id,
    #[b(2)]
    name: &'a str,
    #[n(3)]
    hash: ByteArray<32>,
    #[n(4)]
    created_at: i64,
    #[n(5)]
    version: u64,
    #[n(6)]
    last_used_at: Option<i64>,
}

impl<'a> From<&'a ApiToken> for StoredApiToken<'a> {
    fn from(token: &'a ApiToken) -> Self {
        Self {
            id: Id(token.id.as_u128()),
            user: Id(token.user.as_u128()),
            name: token.name.as_str(),
            hash: token.hash.0.into(),
            created_at: millis(token.created_at),
            version: token.version.number(),
            last_used_at: token.last_used_at.map(millis),
        }
    }
}

impl Record for ApiToken {
    const KIND: Kind = Kind { table: "api_tokens", tag: 50, version: 1 };
    type Stored<'a> = StoredApiToken<'a>;

    fn read(_: u8, bytes: &[u8]) -> Result<Self, Fault> {
        let stored: StoredApiToken<'_> = body(bytes)?;
        Ok(Self {
            id: TokenId::from_u128(stored.id.0),
            user: UserId::from_u128(stored.user.0),
            name: TokenName::accepted_before(stored.name),
            hash: TokenHash(stored.hash.into()),
            created_at: time(stored.created_at),
            last_used_at: stored.last_used_at.map(time),
            version: Version::from_number(stored.version),
        })
    }
}

impl KeptAs for ApiToken {
    const TABLE: Table = Table(50);
    const INDEXES: &'static [Index] = &[OF_USER];

    fn key(id: &TokenId) -> Vec<u8> {
        id.as_u128().to_be_bytes().to_vec()
    }

    fn places(&self) -> Vec<(Index, Vec<u8>)> {
        let (index, user) = Self::span(&ApiTokens::Of(self.user));
        vec![(index, [user, Self::key(&self.id)].concat())]
    }

    fn span(list: &ApiTokens) -> (Index, Vec<u8>) {
        let ApiTokens::Of(user) = list;
        (OF_USER, user.as_u128().to_be_bytes().to_vec())
    }

    fn full(_: &ApiTokens) -> CommitError {
        Refusal::TooManyTokens.into()
    }
}
