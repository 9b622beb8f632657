"""Statistics with plain arguments: numbers, or values of `domain.samples`; no plan, clock, file or network.

What for: two arms at the end of a test, `welch`, `two_proportions`, `rank`, `ratio`, `paired`, `cuped`, `lift`,
`effect_size`, `multiplicity`; looked at whenever one likes, `bounded_mean`, `proportion`, `exceedance`,
`confidence_sequence`, of means without bounds `asymptotic`; looked at a few times, `group_sequential`; beforehand,
`power`, `sequential_plan`; series, `time_series`; whether traffic was divided as planned, `goodness_of_fit` once,
`sample_ratio` again and again.
"""
