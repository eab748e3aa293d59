# Shortcuts for https://github.com/casey/just; none is needed to build or run gittix.

# Runs the server.
serve *flags:
    cargo run --release -- {{flags}}

# Runs the tests that need nothing else installed.
test:
    cargo test

# Simulates that many seeds with everything that can go wrong.
simulate seeds="10000":
    cargo run --profile simulate --no-default-features --example simulate -- --seeds {{seeds}}

# Runs everything that continuous integration checks.
ci:
    .ci/run
