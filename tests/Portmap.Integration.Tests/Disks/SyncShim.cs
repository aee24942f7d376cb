using System.Diagnostics;
using System.Globalization;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests.Disks;

/// <summary>shim.c, compiled for one test: what a process syncs and renames, in order, and syncs
/// that fail.</summary>
internal sealed class SyncShim
{
    private readonly string _folder;

    private SyncShim(string folder) => _folder = folder;

    /// <summary>Errors of fsync(2). What .NET's own flush tells of them differs from one to the
    /// other.</summary>
    public static IReadOnlyDictionary<string, int> Errors { get; } = new Dictionary<string, int>
    {
        ["EIO"] = 5,
        ["EBADF"] = 9,
        ["EINVAL"] = 22,
        ["ENOSPC"] = 28,
        ["EROFS"] = 30,
        ["ENOTSUP"] = 95,
        ["EDQUOT"] = 122,
    };

    public static async Task<SyncShim> CompileAsync(TempFolder folder)
    {
        SyncShim shim = new(folder.FullName);
        await using ChildProcess gcc = ChildProcess.Start(
            new ProcessStartInfo("gcc"), "-shared", "-fPIC", "-Wall", "-Werror", "-o", shim.At("shim.so"), Path.Combine(AppContext.BaseDirectory, "Disks", "shim.c"), "-ldl");
        (await gcc.ExitAsync()).Should().Be(0, gcc.Errors);
        return shim;
    }

    /// <summary>Puts it before libc in a program that is to be started.</summary>
    public ProcessStartInfo Before(ProcessStartInfo program)
    {
        program.Environment["LD_PRELOAD"] = At("shim.so");
        program.Environment["SHIM_LOG"] = At("log");
        program.Environment["SHIM_FAILS"] = At("fails");
        return program;
    }

    /// <summary>Lets the syncs fail whose path ends in a certain way.</summary>
    public void Fail(string error, string ending = "*")
    {
        // In one step, as the shim reads it at any time.
        File.WriteAllText(At("fails.new"), string.Create(CultureInfo.InvariantCulture, $"{Errors[error]} {ending}"));
        File.Move(At("fails.new"), At("fails"), overwrite: true);
    }

    public void Heal() => File.Delete(At("fails"));

    /// <summary>What was called since the last time this was asked: "sync ok PATH", "sync failed
    /// PATH", "rename ok PATH".</summary>
    public string[] TakeLog()
    {
        if (!File.Exists(At("log")))
        {
            return [];
        }

        File.Move(At("log"), At("log.taken"), overwrite: true);
        return File.ReadAllLines(At("log.taken"));
    }

    private string At(string name) => Path.Combine(_folder, name);
}
