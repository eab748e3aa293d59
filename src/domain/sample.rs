//! A resource that only tests of the stores know: it has all that one may have.

use super::resource::Resource;
use super::version::Version;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SampleId(pub u64);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    pub id: SampleId,
    /// Samples are listed and limited by it.
    pub owner: u32,
    /// No two samples have the same.
    pub name: String,
    pub version: Version,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Samples {
    /// One owner's, by id.
    Of(u32),
    /// The one of that name.
    Named(String),
}

impl Sample {
    pub fn new(id: u64, owner: u32, name: &str) -> Self {
        Self { id: SampleId(id), owner, name: name.to_owned(), version: Version::FIRST }
    }

    /// Its next version.
    pub fn changed(&self, owner: u32, name: &str) -> Self {
        Self { owner, name: name.to_owned(), version: self.version.next(), ..self.clone() }
    }
}

impl Resource for Sample {
    type Id = SampleId;
    type List = Samples;

    fn id(&self) -> SampleId {
        self.id
    }

    fn version(&self) -> Version {
        self.version
    }
}
