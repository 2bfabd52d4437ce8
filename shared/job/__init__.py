"""The job file: YAML in, one typed tree out.

Laws of this room:

- It is pure. Files, the environment and variables reach it only as arguments of `placeholders.Resolver`.
- One parser. Whoever needs an option asks `spec.JobSpec`; nobody else reads the YAML.
- Text is stored, values are not: what leaves the process is `JobFile.to_text()`, with its placeholders still in it.
- Every error is one `InvalidJob` (or `MissingSecret`) with the option's path, its line and a hint, and shows no value
  that came from a placeholder or belongs to a secret option.

Map, in the order of reading:

    document      text -> mappings, sequences and scalars with line and column; keeps `#{name}`
    placeholders  `#{name}` -> value, from --var, the environment or a file
    patterns      `order_dw.\\.*` -> does this table match
    routing       tables + rules -> topics
    values        an option's text -> a typed value, or what was expected
    options       every option: supported, accepted without effect, or refused with the reason
    records       the frozen tree that the rest of headrace reads
    spec          ties them together: parse(text) -> JobFile -> resolve(resolver) -> JobSpec
"""
