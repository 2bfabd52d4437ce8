"""One folder per client library, and the only importer of it. Client exceptions become ours at this border."""
