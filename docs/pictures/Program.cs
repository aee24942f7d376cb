using Portmap.Pictures;

// Runs a command in a terminal of its own and draws what it wrote as a moving picture.
//
//   dotnet run -c Release --project docs/pictures -- docs/images/demo.svg dotnet run -c Release --project samples/ManagementDaemon
//
// The exit code is that of the command, or 2 for bad arguments; a command that fails draws nothing.
if (args is not [var file, _, ..])
{
    Console.Error.WriteLine("pictures: takes the file to write and the command to run: FILE.svg COMMAND [ARGUMENT]...");
    return 2;
}

(Recording recording, int exitCode) = await Recording.MakeAsync(args[1..]);
if (exitCode != 0)
{
    Console.Error.WriteLine($"pictures: the command ended with {exitCode}; {file} is left as it was.");
    return exitCode;
}

await File.WriteAllTextAsync(file, TerminalPicture.Draw(recording));
Console.WriteLine($"{file} shows {recording.Lines.Count} lines of {recording.Length.TotalSeconds:0.0} s.");
return 0;
