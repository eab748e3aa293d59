//! The picture of a show.

use std::fmt;
use std::sync::Arc;

use super::resource::{NoList, Resource};
use super::{ShowId, Version};

/// A picture as pages show it, a JPEG.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture(pub Arc<[u8]>);

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({} bytes)", self.0.len())
    }
}

/// The picture of a show. The show tells its version, by which pages that show it know it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cover {
    /// Whose it is.
    pub show: ShowId,
    /// What one sees.
    pub picture: Picture,
    /// Rises by one with every picture.
    pub version: Version,
}

impl Resource for Cover {
    type Id = ShowId;
    type List = NoList;

    fn id(&self) -> ShowId {
        self.show
    }

    fn version(&self) -> Version {
        self.version
    }
}
