"""What a folder of corrections says of its readers: is it sound, what did they do, do they agree?"""
