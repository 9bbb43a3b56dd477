"""Run limits: may this run start now, and if not, why and when?

``documents`` reads what tenants may do, ``policy`` compiles it, ``decide`` judges one run, ``replay`` finds runs
that should not have been admitted. All pure: time and usage are arguments.
"""
