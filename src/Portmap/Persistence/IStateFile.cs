namespace Portmap.Persistence;

/// <summary>A file of an <see cref="IStateFolder"/>.</summary>
internal interface IStateFile : IDisposable
{
    long Length { get; }

    /// <summary>Reads up to the buffer's length; 0 at the end.</summary>
    int Read(Span<byte> buffer, long offset);

    /// <summary>Writes all of it, or fails having written any part.</summary>
    void Write(ReadOnlySpan<byte> bytes, long offset);

    void Truncate(long length);

    /// <summary>Makes the contents durable.</summary>
    /// <remarks>
    /// After a failure nobody knows what is: the kernel may have dropped what it could not write.
    /// </remarks>
    void Sync();
}
