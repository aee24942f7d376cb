using System.Globalization;

namespace Portmap.Interleaving.Tests.Histories;

/// <summary>Something the kernel shows as a process and that dies at once: a thread. /proc/tid/stat
/// is that of a process, with a start time of its own, and is gone when it ends.</summary>
/// <remarks>Tens of thousands of histories with a death in them cannot wait for as many processes
/// to start. Real processes are killed in the other tests.</remarks>
internal sealed class Mortal : IDisposable
{
    private readonly AutoResetEvent _end = new(false);
    private readonly Thread _thread;
    private int _id;

    public Mortal()
    {
        using AutoResetEvent started = new(false);
        _thread = new Thread(
            () =>
            {
                string task = File.ResolveLinkTarget("/proc/thread-self", returnFinalTarget: false)!.Name;
                Volatile.Write(ref _id, int.Parse(task, CultureInfo.InvariantCulture));
                started.Set();
                _end.WaitOne();
            },
            maxStackSize: 128 * 1024);
        _thread.Start();
        started.WaitOne();
    }

    public int Id => Volatile.Read(ref _id);

    public void Kill()
    {
        _end.Set();
        _thread.Join();
        while (File.Exists(string.Create(CultureInfo.InvariantCulture, $"/proc/{Id}/stat")))
        {
            Thread.Yield();
        }
    }

    public void Dispose()
    {
        _end.Set();
        _thread.Join();
        _end.Dispose();
    }
}
