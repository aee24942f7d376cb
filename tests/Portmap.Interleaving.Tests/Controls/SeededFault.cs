namespace Portmap.Interleaving.Tests.Controls;

/// <summary>What is wrong with a <see cref="BrokenTable"/>: each a mistake that is easily made in a
/// lock-free table.</summary>
internal enum SeededFault
{
    /// <summary>Nothing: shows that the detectors do not cry wolf.</summary>
    None,

    /// <summary>Looks whether the slot is free and writes it, instead of one CAS.</summary>
    CheckThenWrite,

    /// <summary>Takes the port whose bit it cleared, without asking the slot.</summary>
    TrustsTheBitmap,

    /// <summary>A release ends what the owner has now, not what the epoch names.</summary>
    ReleasesWithoutEpoch,

    /// <summary>The owner leads to the claim, in force already, before the port does.</summary>
    IndexBeforeSlot,

    /// <summary>A release does not give the bit back.</summary>
    ForgetsTheBit,

    /// <summary>A flag that one thread sets and the others wait for.</summary>
    WaitsForAFlag,
}
