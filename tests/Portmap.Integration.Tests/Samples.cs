using System.Diagnostics;
using System.Globalization;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests;

/// <summary>The sample programs, built with these tests and copied beside them.</summary>
internal static class Samples
{
    public static ProcessStartInfo Brick => Start("ManagementDaemon", "workers", "Brick", "Brick");

    public static ProcessStartInfo Snapd => Start("ManagementDaemon", "workers", "Snapd", "Snapd");

    public static ProcessStartInfo ManagementDaemon => Start("ManagementDaemon", "ManagementDaemon");

    /// <summary>The README's daemon. It starts the program "Worker" that lies beside it.</summary>
    public static ProcessStartInfo QuickStartDaemon => Start("Daemon", "Daemon");

    /// <summary>The daemon that the crash test kills.</summary>
    public static ProcessStartInfo Crash => Start("Portmap.Crash", "Portmap.Crash");

    /// <summary>The management daemon in a folder of its own, where its bricks are a script.</summary>
    public static ProcessStartInfo ManagementDaemonOf(TempFolder folder, string brick)
    {
        ProcessStartInfo start = ManagementDaemon;
        string program = folder["daemon/workers/Brick/Brick"];
        Directory.CreateDirectory(Path.GetDirectoryName(program)!);
        foreach (string file in Directory.EnumerateFiles(Path.GetDirectoryName(start.FileName)!))
        {
            File.Copy(file, Path.Combine(folder["daemon"], Path.GetFileName(file)));
        }

        File.WriteAllText(program, $"#!/bin/sh\n{brick}\n");
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        }

        start.FileName = "dotnet";   // a program that was written just now may be busy still, in a child of another test
        start.ArgumentList.Add(folder["daemon/ManagementDaemon.dll"]);
        return start;
    }

    /// <summary>A daemon for others, up when this returns.</summary>
    public static async Task<ChildProcess> ServeAsync(params IEnumerable<string> options)
    {
        ChildProcess daemon = ChildProcess.Start(ManagementDaemon, ["serve", .. options]);
        (await daemon.ReadLineAsync()).Should().StartWith("ready ");
        return daemon;
    }

    /// <summary>A foreign program on a port, in a process of its own, listening when this
    /// returns.</summary>
    public static async Task<ChildProcess> StrangerOnAsync(int port)
    {
        ChildProcess stranger = ChildProcess.Start(ManagementDaemon, "stranger", port.ToString(CultureInfo.InvariantCulture));
        (await stranger.ReadLineAsync()).Should().Be($"listening {port}");
        return stranger;
    }

    private static ProcessStartInfo Start(params string[] path) => TestPrograms.Start(path);
}
