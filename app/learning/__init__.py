"""Praise and learning: an agent's page, calls worth hearing, appraisals, and calibration.

Nothing here is a book of sins: praise stands first, and what was marked as a mistake stands
folded below it. A call is in the library for as long as the consent rules let
it be heard for `internal_training`; that is asked when it enters, when it is listed, and at each
listening. An appraisal is written by somebody who has heard the call and is not heard in it, by a
version of a form that never changes; one critical question answered with no fails the whole. Who
calibrates does not see the others' answers before it is closed.
"""
