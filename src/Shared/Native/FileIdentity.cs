namespace Portmap.Native;

/// <summary>Which file it is, whatever it is called.</summary>
/// <remarks>No two files have the same while one of them is open.</remarks>
/// <param name="Device">The file system.</param>
/// <param name="Inode">Its number there.</param>
internal readonly record struct FileIdentity(ulong Device, ulong Inode);
