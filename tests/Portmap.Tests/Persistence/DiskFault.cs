namespace Portmap.Tests.Persistence;

/// <summary>What becomes of one operation of a <see cref="SimulatedDisk"/>.</summary>
internal enum DiskFault
{
    None,

    /// <summary>It fails, and nothing has happened.</summary>
    Fails,

    /// <summary>It fails, and a part or all of it has happened.</summary>
    Tears,

    /// <summary>The process is killed in the middle of it; the kernel keeps what it was
    /// given.</summary>
    Killed,

    /// <summary>The host loses its power in the middle of it.</summary>
    PowerLost,
}

/// <summary>What a <see cref="SimulatedDisk"/> can be asked to do.</summary>
internal enum DiskOperation
{
    Take,
    Open,
    Create,
    Read,
    Write,
    Truncate,
    SyncFile,
    Rename,
    Delete,
    SyncFolder,
}
