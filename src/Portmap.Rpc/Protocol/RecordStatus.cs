namespace Portmap.Rpc.Protocol;

/// <summary>What <see cref="RecordAssembler"/> found.</summary>
internal enum RecordStatus
{
    /// <summary>The input is used up and the record is not complete.</summary>
    NeedMore,

    /// <summary>One record is complete.</summary>
    Complete,

    /// <summary>The record is longer than the limit; nothing after it can be read.</summary>
    TooLong,
}
