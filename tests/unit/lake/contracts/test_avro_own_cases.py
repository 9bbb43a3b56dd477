"""Avro's own compatibility tests, run on Avro's own checker and ours side by side."""

import json
import unittest
import unittest.mock

import avro.test.test_compatibility as theirs

from maestro.lake.contracts import check


def test_every_check_of_avros_suite_has_the_same_verdict():
    real = theirs.ReaderWriterCompatibilityChecker
    asked = []

    class Both:
        def get_compatibility(self, reader, writer):
            answer = real().get_compatibility(reader, writer)
            ours = check(json.dumps(reader.to_json()), json.dumps(writer.to_json()), "BACKWARD", "avro")
            asked.append(
                (
                    ours.compatible,
                    answer.compatibility is theirs.SchemaCompatibilityType.compatible,
                    str(reader),
                )
            )
            assert ours.compatible or all(found.remedy and found.path for found in ours.violations)
            return answer

    with unittest.mock.patch.object(theirs, "ReaderWriterCompatibilityChecker", Both):
        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromModule(theirs).run(result)
    assert result.wasSuccessful()
    assert len(asked) == 137
    assert [each for each in asked if each[0] != each[1]] == []
