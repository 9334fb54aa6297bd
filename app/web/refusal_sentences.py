"""What refusals that a page may meet say beside their titles, where it is always the same.

A refusal is raised with the sentence itself, which programs are told as it is; people are told it
in their language. What depends on the case is a fact, told by `refusal_words`.
"""

from __future__ import annotations

from typing import Final

from app.web.words import N_

SENTENCES: Final = frozenset(
    {
        # Evidence, contracts and rules.
        N_("An assessment holds for twelve months at most."),
        N_("Say in the reason how it was known who withdraws."),
        N_("The document was not uploaded as a processing contract."),
        N_("The contract ends before it begins."),
        N_("Say of whom this is true."),
        N_("An acknowledgement is of an own employee."),
        N_("Nobody is known of whom this could be true elsewhere too."),
        N_("Nobody in this recording speaks for the contract's client."),
        N_("It is no canonical JSON."),
        N_("Our own people speak for no client."),
        # What was to be done, and cannot.
        N_("Only hours that were noted before can become none."),
        N_("There is no such client."),
        N_("There is no such dispute."),
        N_("The recording holds no sound there."),
        N_("The recording cannot be decoded."),
        N_("It has been erased."),
        N_("There is no decoder for this kind of picture."),
        N_("The picture cannot be decoded."),
        N_("The picture is not what its header declares."),
        # Log-ins, the ledger and addresses.
        N_("This is for a log-in from a browser."),
        N_("It calls itself otherwise than the setting does."),
        N_("One of its addresses is not reached by https."),
        N_("Name either an entry or a number."),
        N_("No problem has this name."),
        # The sound of a notice text.
        N_("No sound was found in it."),
        N_("What is heard in it does not vary as speech does."),
        N_("The reference cannot be decoded."),
        N_("The file is text."),
        N_("The file is a playlist: send the recording itself."),
        N_(
            "The file begins with zeros: its header is not written yet, as with a recording that is"
            " still going on. Send it again when the call is over."
        ),
        N_("The content is no recording of a kind that is kept."),
        N_("The file ends within its header."),
        N_("The file is an image (PNG)."),
        N_("The file is an image (GIF)."),
        N_("The file is an image (JPEG)."),
        N_("The file is an image (WebP)."),
        N_("The file is an archive (ZIP)."),
        N_("The file is an archive (gzip)."),
        N_("The file is a document (PDF)."),
        N_("The file is a program."),
        N_("The file is a network capture (pcap)."),
        N_("The file is a network capture (pcapng)."),
        N_("The file is an AIFF, which is not kept."),
        N_("The file is a RIFF of another kind than WAVE."),
        N_("The file is a video."),
        N_("The file is a video (AVI)."),
        N_("The file is a video (Ogg)."),
        N_("The file is a video (Matroska or WebM)."),
        N_("The file is a video (Windows Media)."),
        N_("The file has no sound track."),
        # How such a file is written: WAV, AU, FLAC, AMR, GSM.
        N_("The header declares blocks of 0 bytes."),
        N_("The file is a big-endian RIFX."),
        N_("The format chunk claims a length that cannot be."),
        N_("The sound begins before its format was given."),
        N_("No format was found near the beginning of the file."),
        N_("The header claims a beginning of the sound that cannot be."),
        N_("The file does not begin with the STREAMINFO that FLAC demands."),
        N_("AMR with several channels is not kept."),
        N_("The first AMR frame is of no known type."),
        N_("The file is declared as GSM but does not consist of GSM frames."),
        # MP3, MP4, Ogg, Matroska, WMA.
        N_("The file has an ID3 tag but no MP3 frames behind it."),
        N_("The ID3 tag claims a length that cannot be."),
        N_("The sample description of the sound track is cut off."),
        N_("The file type box claims a length that cannot be."),
        N_("The file consists of more boxes than a recording has."),
        N_("A box claims a length that cannot be."),
        N_("The file ends before its index (the moov box): the recorder was stopped too early."),
        N_("The Ogg file does not begin with the first page of a stream."),
        N_("The Ogg file holds no Opus, Vorbis, Speex or FLAC."),
        N_("The Matroska file breaks off in something that is no element."),
        N_("A Matroska element is cut off."),
        N_("The Matroska head claims a length that cannot be."),
        N_("The Matroska file has no segment."),
        N_("The Matroska file has no track list before its sound."),
        N_("An object of the WMA header claims a length that cannot be."),
        N_("The description of the sound is cut off."),
    }
)
"""Each as it stands where it is raised; a test compares."""
