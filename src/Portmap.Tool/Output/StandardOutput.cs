using System.Runtime.InteropServices;
using Portmap.Native;

namespace Portmap.Tool.Output;

/// <summary>Standard output as a pipe or a file.</summary>
/// <remarks> The console's own stream says nothing when its reader has gone, so that <c>portmap
/// watch | head -1</c> would go on for ever; a <see cref="FileStream"/> writes at offsets of its
/// own, over what others write to the same file.
/// </remarks>
internal sealed partial class StandardOutput : Stream
{
    private const int Descriptor = 1;
    private const short Writable = 4;   // POLLOUT

    /// <summary>EAGAIN: whoever shares the open file has made it non-blocking, and it is full.</summary>
    private static readonly int s_full = OperatingSystem.IsLinux() ? Errno.WouldBlock : Errno.WouldBlockOfMac;

    /// <summary>Runs something when the reader of a pipe has gone; a file has none.</summary>
    public static void WhenReaderGone(Action act) =>
        new Thread(() =>
        {
            WaitFor(0);   // no event is asked for: POLLERR and POLLHUP always come
            act();
        })
        { IsBackground = true }.Start();

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (buffer.Length > 0)
        {
            nint written = WriteTo(Descriptor, buffer, (nuint)buffer.Length);
            int error = written < 0 ? Marshal.GetLastPInvokeError() : 0;
            if (error == Errno.BrokenPipe)
            {
                throw new ReaderGoneException();
            }

            if (error == s_full)
            {
                WaitFor(Writable);
            }
            else if (error is not (0 or Errno.Interrupted))
            {
                throw new OutputFailedException($"Standard output cannot be written: {Marshal.GetPInvokeErrorMessage(error)}");
            }

            buffer = buffer[Math.Max((int)written, 0)..];
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private static void WaitFor(short events)
    {
        PollEntry entry = new() { Descriptor = Descriptor, Events = events };
        while (Poll(ref entry, 1, -1) < 0 && Marshal.GetLastPInvokeError() == Errno.Interrupted)
        {
        }
    }

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint WriteTo(int descriptor, ReadOnlySpan<byte> bytes, nuint count);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Poll(ref PollEntry entries, nuint count, int milliseconds);

    private struct PollEntry
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }
}
