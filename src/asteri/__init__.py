"""asteri"""
