"""Drills on real parts: ``maestro gameday``. The modules of a drill know no Chaos Toolkit; ``runner`` alone does."""
